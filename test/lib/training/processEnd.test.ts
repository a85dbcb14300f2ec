/** A process that ends while it trains: with its own status, soon, and without a word from the addon. */
import { nodeProgram } from '../../support/nodeProgram.js';

/** `endless(options)` trains until something ends it. */
const ENDLESS = `
  const { datasets, train, schedules } = require('./dist/lib/index.js');
  const endless = async (options = {}) =>
    train({
      data: await datasets.fashionMnistSample(),
      epochs: 1000,
      batchSize: 64,
      device: 'cpu',
      ...options,
    });
  const atFirstStep = (call) => ({ onStep: ({ step }) => { if (step === 1) call(); } });
`;

/** At the first word of how far it has come: centroids for so many classes take a minute and more. */
function exitWhileItOpens(): string {
  return `
    const { linear, sequential } = require('./dist/lib/index.js');
    const { resolveTrainOptions } = require('./dist/lib/training/options.js');
    const { run } = require('./dist/lib/training/run.js');
    const data = { images: { data: new Uint8Array(64), shape: [1, 8, 8, 1] }, labels: Int32Array.of(10_000 - 1) };
    const model = sequential([linear({ outFeatures: 512 })]);
    const prepare = ({ stage }) => process.exit(stage === 'drawing weights' ? 7 : 8);
    run(resolveTrainOptions({ data, model, head: 'pedcc', batchSize: 1, device: 'cpu', threads: 1 }), [{ prepare }]);
  `;
}

/** Milliseconds, also of a busy machine: the training itself would take many minutes. */
const LIMIT = 20_000;

test.each<[string, string, number]>([
  ['process.exit in a callback', 'endless(atFirstStep(() => process.exit(7)));', 7],
  ['process.exit while steps run', 'endless(atFirstStep(() => setTimeout(() => process.exit(7), 100)));', 7],
  ['process.exit while data is loaded', 'endless(); setImmediate(() => process.exit(7));', 7],
  ['process.exit while the session opens', exitWhileItOpens(), 7],
  [
    'process.exit while a model predicts',
    'endless({ validation: 0.9, batchSize: 600, ...atFirstStep(() => setTimeout(() => process.exit(7), 30)) });',
    7,
  ],
])('%s', async (_, program, status) => {
  const started = performance.now();
  const ended = await nodeProgram(ENDLESS + program);
  expect(ended).toEqual({ status, signal: null, stdout: '', stderr: '' });
  expect(performance.now() - started).toBeLessThan(LIMIT);
});

test.each([
  ['an option is refused', '{ lr: 1 }'],
  ['the signal is aborted already', '{ signal: AbortSignal.abort() }'],
])('data that fails beside it is no rejection that nobody catches: %s', async (_, options) => {
  const program = `
    const { datasets, train } = require('./dist/lib/index.js');
    train({ data: datasets.idx('/nope'), ...${options} }).catch(() => setTimeout(() => console.log('caught'), 100));`;
  expect(await nodeProgram(program)).toEqual({ status: 0, signal: null, stdout: 'caught\n', stderr: '' });
});

test('an exception that nobody catches', async () => {
  const program = `endless(atFirstStep(() => setTimeout(() => { throw new Error('unforeseen'); }, 50)));`;
  const { status, signal, stderr } = await nodeProgram(ENDLESS + program);
  expect({ status, signal }).toEqual({ status: 1, signal: null });
  expect(stderr).toContain('Error: unforeseen');
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s: the library catches no signal', async (signal) => {
  const program = `endless(atFirstStep(() => console.log('trains')));`;
  const ended = await nodeProgram(ENDLESS + program, { onLine: (_, kill) => kill(signal) });
  expect(ended).toEqual({ status: null, signal, stdout: 'trains\n', stderr: '' });
});

test('a process with nothing left to do but a model ends', async () => {
  const program = `endless({ onStep: (_, controls) => controls.stop() }).then(({ model }) => { globalThis.kept = model; });`;
  expect(await nodeProgram(ENDLESS + program)).toEqual({ status: 0, signal: null, stdout: '', stderr: '' });
});
