import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeMachine } from '../shared/machine.mjs';
import { sourcesLine } from '../shared/sources.mjs';

const RESULTS = fileURLToPath(new URL('../results', import.meta.url));

/** Prints a page of what was measured, and keeps it where it is of full size. */
export function report(name, { sources, rounds, measured }, page, isKept) {
  const machine = describeMachine();
  const all = { date: new Date().toISOString(), sources, machine, rounds, ...measured };
  const markdown = `${page}

${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; medians of ${rounds} rounds in turn, ratios within a round.
${sourcesLine(all)}
`;
  console.log(markdown);
  if (!isKept) return;
  writeFileSync(join(RESULTS, `${name}.json`), `${JSON.stringify(all, null, 1)}\n`);
  writeFileSync(join(RESULTS, `${name}.md`), markdown);
}
