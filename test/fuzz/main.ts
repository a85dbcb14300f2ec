/** `scripts/fuzz`: spoils files until the time is over, and keeps what a parser stumbled over. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { spoiled } from './spoiled.js';
import { expectTakenOrRefused, TARGETS } from './targets.js';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string' },
      only: { type: 'string' },
    },
  });
  const folder = mkdtempSync(join(tmpdir(), 'margincore-fuzz-'));
  const seed = Number(values.seed ?? Date.now() % 2 ** 31);
  const inFolder = (name: string) => join(folder, name);
  for (const target of TARGETS.filter(({ name }) => values.only === undefined || name === values.only)) {
    const right = await target.right(inFolder);
    let runs = 0;
    const property = fc.asyncProperty(spoiled(right), async (bytes) => {
      runs++;
      await expectTakenOrRefused(target, bytes, inFolder);
    });
    const interruptAfterTimeLimit = Number(values.minutes) * 60_000;
    const outcome = await fc.check(property, {
      seed,
      numRuns: Number.MAX_SAFE_INTEGER,
      interruptAfterTimeLimit,
    });
    console.log(
      `${target.name}: ${runs} files, seed ${seed}, ${outcome.failed && !outcome.interrupted ? 'FAILED' : 'quiet'}`,
    );
    if (!outcome.counterexample) continue;
    const kept = join('test/fuzz/found', `${target.name.replaceAll(' ', '-')}.${seed}`);
    mkdirSync('test/fuzz/found', { recursive: true });
    writeFileSync(kept, outcome.counterexample[0]);
    console.log(`${kept}: ${outcome.errorInstance}`);
    process.exitCode = 1;
  }
}

void main();
