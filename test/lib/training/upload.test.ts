/** How training images come to a native session: what it refuses, what memory it takes, and a part at a time. */
import type { Samples } from '../../../lib/data/samples.js';
import type { ImageArray } from '../../../lib/data/types.js';
import { checkHead, resolveHead } from '../../../lib/heads/resolve.js';
import { linear, relu } from '../../../lib/index.js';
import type { NativeSession } from '../../../lib/native/contract.js';
import { callNative, native } from '../../../lib/native/load.js';
import { checkOptimizer, nativeOptimizer } from '../../../lib/training/optimizers.js';
import { uploadSamples } from '../../../lib/training/upload.js';
import { refusal } from '../../support/refusal.js';

const SIDE = 32;
const PIXELS = SIDE * SIDE;
const CLASSES = 4;

const sessions: NativeSession[] = [];

afterEach(() => {
  for (const session of sessions.splice(0)) session.dispose();
});

/** A session on the CPU for square images, not yet opened. */
function createSession(side = SIDE): NativeSession {
  const session = new (native().Session)({
    backend: 'cpu',
    deviceIndex: 0,
    threads: 1,
    deterministic: true,
    precision: 'fp32',
    seed: 1,
    network: { input: [side, side, 1], layers: [relu(), linear({ outFeatures: 2 })] },
    head: resolveHead(checkHead({ head: 'softmax' }), CLASSES).native,
    mean: Float32Array.of(0.5),
    std: Float32Array.of(0.25),
    batchSize: 4,
    optimizer: nativeOptimizer({ optimizer: checkOptimizer('sgd', 'optimizer') }, 1),
  });
  sessions.push(session);
  return session;
}

const range = (count: number) => Int32Array.from({ length: count }, (_, i) => i);

/** Images of noise, as the session of createSession takes them. */
function noise(count: number): ImageArray {
  let state = 1;
  const data = Uint8Array.from({ length: count * PIXELS }, () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state >> 16;
  });
  return { data, shape: [count, SIDE, SIDE, 1] };
}

/** An array of which somebody else has the memory now. */
function detached<T extends Uint8Array | Int32Array>(array: T): T {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
  return array;
}

describe('what a session is given to train on', () => {
  const refused = async (call: () => unknown, code: string, message: string) => {
    expect(await refusal(() => callNative(call))).toMatchObject({ code, message });
  };

  test('is chosen by sample number: the same losses as from images that lie in that order', async () => {
    const images = noise(6);
    const samples = Int32Array.of(5, 0, 5, 3);
    const labels = Int32Array.of(3, 0, 2, 1);
    const picked = new Uint8Array(4 * PIXELS);
    samples.forEach((sample, row) => {
      picked.set(images.data.subarray(sample * PIXELS, (sample + 1) * PIXELS), row * PIXELS);
    });
    const losses = async (images: ImageArray, numbers: Int32Array) => {
      const session = createSession();
      await session.open();
      session.reserveTrainingData(labels.length);
      session.addTrainingData(images.data, numbers, labels);
      await session.uploadTrainingData();
      const values = Float32Array.of(0.1, 0, 1, 0.1, 0, 1);
      const order = Int32Array.of(0, 1, 2, 3, 3, 2, 1, 0);
      return (await session.runSteps({ epoch: 0, order, batchSize: 4, values })).loss;
    };
    const expected = await losses({ data: picked, shape: [4, SIDE, SIDE, 1] }, range(4));
    expect(await losses(images, samples)).toEqual(expected);
    expect(await losses(images, range(4))).not.toEqual(expected);
  });

  test('is refused where it does not fit, and nothing of it is added', async () => {
    const session = createSession();
    const { data } = noise(3);
    const [two, labels] = [range(2), Int32Array.of(0, 3)];
    const add = (...given: [Uint8Array, Int32Array, Int32Array]) => session.addTrainingData(...given);
    await refused(
      () => add(data, two, labels),
      'INVALID_DATA',
      'native: no room was reserved for training images',
    );
    session.reserveTrainingData(3);
    const wrong: [Uint8Array, Int32Array, Int32Array, message: string][] = [
      [data, Int32Array.of(0, 3), labels, 'expected samples of 0…2, found 3'],
      [data, Int32Array.of(-1, 0), labels, 'expected samples of 0…2, found -1'],
      [data, two, Int32Array.of(0, CLASSES), 'expected labels of 0…3, found 4 at sample 1'],
      [data, two, Int32Array.of(-1, 0), 'expected labels of 0…3, found -1 at sample 0'],
      [data, two, Int32Array.of(0), 'expected a label per sample, 2 of them, found 1'],
      [data, Int32Array.of(0, 1, 2, 0), new Int32Array(4), 'expected 3 training images at most, found 4'],
      [data.subarray(1), two, labels, 'expected whole images (32, 32, 1) of 1024 bytes, found 3071 bytes'],
      [detached(data.slice()), two, labels, 'expected whole images (32, 32, 1) of 1024 bytes, found 0 bytes'],
      [data, detached(two.slice()), labels, 'expected a label per sample, 0 of them, found 2'],
      [data, two, detached(labels.slice()), 'expected a label per sample, 2 of them, found 0'],
    ];
    for (const [images, samples, classes, message] of wrong)
      await refused(() => add(images, samples, classes), 'INVALID_DATA', message);
    await refused(
      () => add(data, [0, 1] as unknown as Int32Array, labels),
      'INVALID_OPTION',
      'native: expected an Int32Array as argument 1',
    );
    add(data, two, labels);
    await refused(() => session.uploadTrainingData(), 'INVALID_DATA', 'expected 3 training images, found 2');
    add(data, Int32Array.of(2), Int32Array.of(1));
    await session.open();
    await session.uploadTrainingData();
    await refused(
      () => add(data, two, labels),
      'INVALID_DATA',
      'native: no room was reserved for training images',
    );
  });

  test('needs room: refused where there cannot be any, and for no number of images', async () => {
    const side = 2 ** 14;
    const message = new RegExp(
      `^no host memory for ${2 ** 31 - 1} training images of ${side ** 2} bytes: .* are free`,
    );
    const large = createSession(side);
    const error = await refusal(() => callNative(() => large.reserveTrainingData(2 ** 31 - 1)));
    expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', message: expect.stringMatching(message) });
    const session = createSession();
    for (const count of [2 ** 31, 2 ** 40])
      await refused(
        () => session.reserveTrainingData(count),
        'INVALID_DATA',
        `expected room for 1…2147483647 training images, found ${count}`,
      );
    for (const count of [0, -1, Number.NaN, '3'])
      await refused(
        () => session.reserveTrainingData(count as number),
        'INVALID_DATA',
        'native: expected a number of training images',
      );
    session.dispose();
    await refused(() => session.reserveTrainingData(1), 'DISPOSED', 'the session was disposed');
  });

  test('takes memory only as it is added, and leaves none', async () => {
    const mebibytes = () => process.memoryUsage.rss() / 2 ** 20;
    const images: ImageArray = { data: new Uint8Array(2 ** 20).fill(7), shape: [1024, SIDE, SIDE, 1] };
    const samples = new Int32Array(128 * 1024).map((_, i) => i % 1024);
    const session = createSession();
    await session.open();
    const before = mebibytes();
    session.reserveTrainingData(1024 * 1024); // 1 GiB
    expect(mebibytes() - before).toBeLessThan(64);
    await uploadSamples(session, { images, labels: new Int32Array(1024), numbers: samples });
    const uploaded = mebibytes() - before;
    expect(uploaded).toBeGreaterThan(96);
    expect(uploaded).toBeLessThan(192);
    expect((await session.memory()).dataset).toBe(samples.length * (PIXELS + 8));
    await session.endTraining();
    expect(mebibytes() - before).toBeLessThan(64);

    session.reserveTrainingData(samples.length);
    session.addTrainingData(images.data, samples, new Int32Array(samples.length));
    expect(mebibytes() - before).toBeGreaterThan(96);
    session.dispose();
    await createSession().open(); // waits for what was disposed
    expect(mebibytes() - before).toBeLessThan(64);
  });
});

describe('uploadSamples', () => {
  /** 16 MB are two of these. */
  const images: ImageArray = { data: new Uint8Array(2 ** 23), shape: [1, 2048, 4096, 1] };
  const samples: Samples = { images, labels: Int32Array.of(7), numbers: new Int32Array(5) };

  /** A session that writes down its calls, and when the event loop ran. */
  function recorder(onLoop = () => {}) {
    const calls: string[] = [];
    const session = {
      reserveTrainingData: (count: number) => calls.push(`reserve ${count}`),
      addTrainingData: (_: Uint8Array, { length }: Int32Array, labels: Int32Array) => {
        calls.push(`add ${length} with ${labels.join()}`);
        setImmediate(() => {
          calls.push('loop');
          onLoop();
        });
      },
      uploadTrainingData: async () => calls.push('upload'),
    };
    return { calls, session: session as unknown as NativeSession };
  }

  test('lets the event loop run after every piece', async () => {
    const { calls, session } = recorder();
    await uploadSamples(session, samples);
    expect(calls).toEqual([
      'reserve 5',
      'add 2 with 7,7',
      'loop',
      'add 2 with 7,7',
      'loop',
      'add 1 with 7',
      'loop',
      'upload',
    ]);
  });

  test('stops at the piece during which it is aborted', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const { calls, session } = recorder(() => controller.abort(reason));
    await expect(uploadSamples(session, samples, controller.signal)).rejects.toBe(reason);
    expect(calls).toEqual(['reserve 5', 'add 2 with 7,7', 'loop']);
  });
});
