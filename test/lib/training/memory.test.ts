/** What training takes is given back: by `dispose()`, by a run that fails, and where nobody holds the model any more. */
import { type Left, LITTLE, SIZES } from '../../support/memoryRun.js';
import { nodeProgram } from '../../support/nodeProgram.js';

/** Those that leave a model: its parameters stay until it is disposed. */
const LEAVE_A_MODEL = ['a run that went well', 'a run that diverged'];

let left: Record<string, Left>;

beforeAll(async () => {
  const program = "require('./dist/test/support/memoryRun.js').measure();";
  const { stdout, ...ended } = await nodeProgram(program, { flags: ['--expose-gc'], timeout: 170_000 });
  expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
  left = JSON.parse(stdout);
}, 180_000);

test.each([
  ...LEAVE_A_MODEL,
  'a run whose onStep throws',
  'a run whose onEpoch throws',
  'a run that is aborted',
  'a model that nobody holds',
])('%s', (name) => {
  const { training, ended, disposed } = left[name]!;
  const { parameters, images } = SIZES;
  // Weights, gradients, two moments, and the images: or the test would not see what it is here for.
  expect(training).toBeGreaterThan(0.8 * (4 * parameters + images));
  if (LEAVE_A_MODEL.includes(name)) expect(ended).toBeGreaterThan(0.8 * parameters);
  expect(ended).toBeLessThan(LITTLE + (LEAVE_A_MODEL.includes(name) ? parameters : 0));
  expect(disposed).toBeLessThan(LITTLE);
});

test('every run is looked at', () => {
  expect(Object.keys(left)).toHaveLength(6);
});
