/** How a file comes to be: one parameter after another, in pieces, and not at all where the format cannot hold it. */
import { existsSync, readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { checkHead, resolveHead } from '../../../lib/heads/resolve.js';
import { linear, models, sequential } from '../../../lib/index.js';
import { NO_OPTIMIZER } from '../../../lib/model/loadModel.js';
import { native } from '../../../lib/native/load.js';
import type { ModelDescription } from '../../../lib/networks/index.js';
import { exportOnnx } from '../../../lib/onnx/exportOnnx.js';
import { nodeProgram } from '../../support/nodeProgram.js';
import { refusal } from '../../support/refusal.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

const IMAGE = [64, 64, 1] as [number, number, number];
const OPTIONS = { input: 'uint8', fold: false, normalizeEmbedding: false } as const;

/** A model of which nothing takes memory: its session was never opened. */
function described(network: ModelDescription) {
  const head = resolveHead(checkHead({ head: 'softmax' }), 10);
  const normalization = { mean: new Float32Array(1), std: new Float32Array([1]) };
  const session = new (native().Session)({
    ...{ backend: 'cpu', deviceIndex: 0, threads: 1, deterministic: false, precision: 'fp32', seed: 0 },
    ...{ network: { input: [...IMAGE], layers: [...network.layers] }, head: head.native, ...normalization },
    ...{ batchSize: 0, optimizer: NO_OPTIMIZER },
  });
  const shapes = new Map(session.parameters().map(({ name, shape }) => [name, shape]));
  const { layers, embeddingSize } = session.summary;
  session.dispose();
  return {
    model: {
      ...{ network, input: IMAGE, head: head.native, normalization, layers, embeddingSize },
      classNames: Array.from({ length: 10 }, String),
    },
    shape: (name: string) => shapes.get(name)!,
  };
}

test('the event loop turns often while a large parameter is written, before the next is read', async () => {
  const { model, shape } = described(
    sequential([linear({ outFeatures: 4096, name: 'large' }), linear({ outFeatures: 2, name: 'next' })]),
  );
  let turns = 0;
  let isOver = false;
  const counted = (async () => {
    for (; !isOver; turns++) await setImmediate();
  })();
  const reads: { name: string; turns: number }[] = [];
  const read = async (name: string) => {
    reads.push({ name, turns });
    return new Float32Array(shape(name).reduce((product, size) => product * size, 1));
  };
  await exportOnnx(inFolder('large.onnx'), model, { shape, read }, OPTIONS);
  isOver = true;
  await counted;
  expect(reads.map(({ name }) => name)).toEqual([
    ...['large.weight', 'large.bias', 'next.weight', 'next.bias', 'head.weight', 'head.bias'],
  ]);
  expect(reads[1]!.turns - reads[0]!.turns).toBeGreaterThanOrEqual(16); // 2^24 numbers, a piece of 2^20 or fewer each turn
});

test('what the format cannot hold is refused before anything is read or written', async () => {
  const { model, shape } = described(sequential([linear({ outFeatures: 2 ** 17, bias: false })]));
  const read = () => Promise.reject(new Error('was read'));
  const error = await refusal(() => exportOnnx(inFolder('huge.onnx'), model, { shape, read }, OPTIONS));
  expect(error).toMatchObject({ code: 'UNSUPPORTED', details: { limit: 2 ** 31 - 1 } });
  const { bytes } = error.details as { bytes: number };
  expect(bytes).toBeGreaterThan(2 ** 31 + 10 * 4 * 2 ** 17);
  expect(bytes).toBeLessThan(2 ** 31 + 10 * 4 * 2 ** 17 + 5000);
  expect(error.message).toContain(`${bytes} bytes`);
  expect(error.message).toContain('2147483647');
  expect(readdirSync(inFolder())).not.toContain('huge.onnx');
});

test('an abort between two pieces leaves no file', async () => {
  const { model, shape } = described(models.seedCnn({ embeddingSize: 8 }));
  const controller = new AbortController();
  const reason = new Error('enough');
  const read = async (name: string) => {
    controller.abort(reason);
    return new Float32Array(shape(name).reduce((product, size) => product * size, 1));
  };
  const path = inFolder('aborted.onnx');
  await expect(exportOnnx(path, model, { shape, read }, OPTIONS, controller.signal)).rejects.toBe(reason);
  expect(existsSync(path)).toBe(false);
  expect(readdirSync(inFolder()).filter((name) => name.endsWith('.part'))).toEqual([]);
});

test('where a process forbids to make code of texts', async () => {
  const program = `
    const { randomModel } = require('./dist/test/support/randomModel.js');
    const { models } = require('./dist/lib/index.js');
    (async () => {
      const model = await randomModel(models.seedCnn({ embeddingSize: 8 }), [28, 28, 1], { head: 'softmax' });
      await model.exportOnnx(${JSON.stringify(inFolder('plain.onnx'))});
    })();`;
  const flags = ['--disallow-code-generation-from-strings'];
  expect(await nodeProgram(program, { flags })).toMatchObject({ status: 0, stderr: '' });
  expect(existsSync(inFolder('plain.onnx'))).toBe(true);
});
