/** A process that trains again and again does not grow. `bench/memory-cycles.mjs` measures it over 400 cycles. */
import { GROWTH, type Sizes } from '../../support/memoryCycles.js';
import { nodeProgram } from '../../support/nodeProgram.js';

test('resident memory returns after dispose(), whatever the number of threads', async () => {
  const program = "require('./dist/test/support/memoryCycles.js').measureCycles();";
  // V8's young generation and the arenas that glibc gives threads widen by megabytes as a program goes on. Held small,
  // what is left is what runs leave behind.
  const flags = ['--expose-gc', '--max-semi-space-size=1'];
  const environment = { MALLOC_ARENA_MAX: '1' };
  const { stdout, ...ended } = await nodeProgram(program, { flags, environment, timeout: 170_000 });
  expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
  const { before, after } = JSON.parse(stdout) as Sizes;
  expect(after / before).toBeLessThan(1 + GROWTH);
}, 180_000);
