/** Spoiled files are refused with a code. `scripts/fuzz` does the same for as long as it is told to. */
import fc from 'fast-check';
import { rightFiles } from '../../fuzz/seeds.js';
import { spoiled } from '../../fuzz/spoiled.js';
import { expectTakenOrRefused, TARGETS } from '../../fuzz/targets.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();
const SEED = 20_260;

test.each(TARGETS)('$name', async (target) => {
  const right = await rightFiles((name) => inFolder(name));
  const property = fc.asyncProperty(spoiled(right), (bytes) =>
    expectTakenOrRefused(target, bytes, inFolder('spoiled')),
  );
  await fc.assert(property, { seed: SEED, numRuns: 400 });
});
