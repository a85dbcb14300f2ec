/**
 * Spoiled files are refused with a code. `scripts/fuzz` does the same for as long as it is told to; what it found once is looked
 * at again here.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { spoiled } from '../../fuzz/spoiled.js';
import { expectTakenOrRefused, TARGETS } from '../../fuzz/targets.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();
const SEED = 20_260;

test.each(TARGETS)('$name', async (target) => {
  const right = await target.right(inFolder);
  const property = fc.asyncProperty(spoiled(right), (bytes) => expectTakenOrRefused(target, bytes, inFolder));
  await fc.assert(property, { seed: SEED, numRuns: target.runs });
});

const FOUND = join(packageRoot(), 'test/fuzz/found');
const found = existsSync(FOUND) ? readdirSync(FOUND) : [];

for (const file of found) {
  test(`${file}, which was stumbled over once`, async () => {
    const name = file.replace(/\.[\w-]+$/, '').replaceAll('-', ' ');
    const target = TARGETS.find((each) => each.name === name)!;
    await expectTakenOrRefused(target, readFileSync(join(FOUND, file)), inFolder);
  });
}
