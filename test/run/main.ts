/** `scripts/test.sh`, which says how it is called. */
import { backends } from '../../lib/index.js';
import { summary } from './counts.js';
import { parts } from './parts.js';
import { runAll, say } from './runner.js';

async function main(words: readonly string[]): Promise<void> {
  const names = words.filter((word) => !word.startsWith('--'));
  const all = words.includes('--all') || names.length > 0;
  const cuda = backends().find(({ name }) => name === 'cuda');
  const known = parts(all, cuda?.available === true && !cuda.simulated);
  const unknown = words.find((word) => word !== '--all' && !known.some(({ name }) => name === word));
  if (unknown !== undefined) {
    console.error(`${unknown} is none of: --all, ${known.map(({ name }) => name).join(', ')}`);
    process.exitCode = 2;
    return;
  }
  const chosen = known.filter(({ name }) => names.length === 0 || names.includes(name));
  // A part that is named is run.
  const counts = await runAll(chosen, names.length > 0);
  say('all parts have ended');
  console.log(`\n${summary(counts)}`);
  process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

void main(process.argv.slice(2));
