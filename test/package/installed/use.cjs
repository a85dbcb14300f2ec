/**
 * Trains and predicts with the installed package that the caller loaded, and looks at which libraries that took.
 * scripts/check-package.sh copies this folder to where the package is installed.
 */
const assert = require('node:assert/strict');
const { readdirSync, readFileSync, realpathSync, writeFileSync } = require('node:fs');
const { basename, dirname, join } = require('node:path');

module.exports = async function use({ Model, backends, datasets, models, train }) {
  const cpu = backends().find(({ name }) => name === 'cpu');
  const prebuilds = join(realpathSync('node_modules/margincore'), 'prebuilds', 'linux-x64');
  assert.deepEqual([cpu.available, dirname(cpu.path)], [true, prebuilds], cpu.reason);

  const data = await datasets.fashionMnistSample();
  const options = { head: 'arcface', s: 16, seed: 1, progress: false };
  const { model, test, environment } = await train({ ...options, data, device: 'cpu', epochs: 1 });
  const { labels } = await model.predict(data.test.images);
  const right = labels.filter((label, index) => label === data.test.labels[index]).length / labels.length;
  await assertKept(Model, model, data.test.images);
  model.dispose();
  assert.equal(environment.backend, 'cpu');
  assert.equal(right, test.accuracy);
  assert.ok(right > 0.6, `${right} of the test images are right`);
  assertShippedLibraries(prebuilds);

  if (process.env.MARGINCORE_CUDA_LIBRARY !== undefined) await useSimulatedCuda();
  console.log(`trained and predicted: ${(100 * right).toFixed(1)} % right`);

  async function useSimulatedCuda() {
    const few = datasets.fromArrays({
      images: new Uint8Array(32 * 28 * 28),
      shape: [32, 28, 28, 1],
      labels: Array.from({ length: 32 }, (_, index) => index % 10),
    });
    const network = models.seedCnn({ embeddingSize: 8 });
    const trained = await train({
      ...options,
      data: few,
      model: network,
      device: 'cuda',
      batchSize: 8,
      epochs: 1,
    });
    trained.model.dispose();
    const { backend, simulated } = trained.environment;
    assert.deepEqual({ backend, simulated }, { backend: 'cuda', simulated: true });
  }
};

/** A model comes back from its file, is exported, and takes pictures: with the libraries that this needs. */
async function assertKept(Model, model, { data }) {
  await model.save('model.safetensors');
  await model.exportOnnx('model.onnx');
  assert.ok(readFileSync('model.onnx').includes('Gemm'));
  const loaded = await Model.load('model.safetensors', { device: 'cpu' });
  const pixels = data.slice(0, 28 * 28);
  const images = { data: pixels, shape: [1, 28, 28, 1] };
  writeFileSync('picture.pgm', Buffer.concat([Buffer.from('P5 28 28 255\n'), pixels]));
  assert.deepEqual(await loaded.predict(images), await model.predict(images));
  const { files, ...ofPicture } = await loaded.predict('picture.pgm');
  assert.deepEqual(ofPicture, await model.predict(images));
  assert.deepEqual(files, ['picture.pgm']);
  loaded.dispose();
}

/** Every library that is shipped for the CPU is loaded from the package, and no other of its name. */
function assertShippedLibraries(prebuilds) {
  const shipped = readdirSync(prebuilds).filter((name) => name.includes('.so.'));
  const mapped = new Set(readFileSync('/proc/self/maps', 'utf8').match(/\/\S+$/gm));
  const loaded = [...mapped].filter((file) => shipped.includes(basename(file))).sort();
  assert.deepEqual(loaded, shipped.map((name) => join(prebuilds, name)).sort());
}
