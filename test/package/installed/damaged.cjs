/** Of a package with a file that is damaged or gone the other half works, and what does not says which file, and why. */
const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { cpSync, existsSync, renameSync, rmSync, truncateSync } = require('node:fs');
const { join } = require('node:path');

const whole = 'node_modules/margincore';
const copy = 'other/node_modules/margincore';

/** What a program says of a copy of the package that something was done to. */
function of(change, program) {
  rmSync('other', { recursive: true, force: true });
  cpSync('node_modules', 'other/node_modules', { recursive: true, verbatimSymlinks: true });
  change(join(copy, 'prebuilds/linux-x64'));
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', program], {
    cwd: 'other',
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  return stdout;
}

const BACKENDS = `
  const { backends, FashionMnist, datasets, train } = require('margincore');
  console.log(JSON.stringify(backends().map(({ name, available, reason }) => ({ name, available, reason }))));
  datasets.fashionMnistSample()
    .then((data) => train({ data, steps: 2, device: 'cpu', progress: false }))
    .then(({ model }) => { model.dispose(); console.log('trained'); },
          ({ code, message }) => console.log(code + ': ' + message));
`;

const cut = (file) => (folder) => truncateSync(join(folder, file), 4096);
const gone = (file) => (folder) => renameSync(join(folder, file), join(folder, `not-${file}`));
const shipped = (file) => existsSync(join(whole, 'prebuilds/linux-x64', file));

for (const change of [cut, gone]) {
  // CUDA's half: the CPU trains all the same.
  if (shipped('libmargincore_cuda.so')) {
    const [states, trained] = of(change('libmargincore_cuda.so'), BACKENDS).split('\n');
    const cuda = JSON.parse(states).find(({ name }) => name === 'cuda');
    assert.equal(cuda.available, false);
    assert.match(cuda.reason, /libmargincore_cuda\.so/);
    assert.equal(trained, 'trained');
  }
  // The CPU's: the addon still answers, and names the file.
  for (const file of ['libmargincore_cpu.so', 'libdnnl.so.2']) {
    // Another oneDNN of the system's own would serve.
    if (file === 'libdnnl.so.2' && existsSync('/usr/lib/x86_64-linux-gnu/libdnnl.so.2')) continue;
    const [states, refused] = of(change(file), BACKENDS).split('\n');
    const cpu = JSON.parse(states).find(({ name }) => name === 'cpu');
    assert.equal(cpu.available, false);
    assert.ok(cpu.reason.includes(file), cpu.reason);
    assert.match(refused, /^DEVICE_UNAVAILABLE: /);
    assert.ok(refused.includes(file), refused);
  }
  // The addon: one error with every candidate, its reason and what mends it.
  const said = of(
    change('margincore.node'),
    `
    try { require('margincore').backends(); } catch ({ code, message }) { console.log(code, message); }`,
  );
  assert.match(said, /^NATIVE_MODULE_NOT_FOUND /);
  for (const folder of ['build/Release', 'prebuilds/linux-x64'])
    assert.ok(said.includes(`${folder}/margincore.node: `), said);
  assert.match(said, /Build it with: npx margincore build/);
}
rmSync('other', { recursive: true, force: true });
console.log('what is damaged is named, and the rest works');
