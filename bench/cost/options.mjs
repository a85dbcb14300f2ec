import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { positiveInteger, someOf } from '../shared/arguments.mjs';
import { physicalCores } from '../shared/machine.mjs';

const TABLES = ['batch', 'classes', 'side', 'threads'];

export const usage = `Usage: npm run bench:cost -- [options]

  --rounds N     rounds over all rows (default 3)
  --tables A,B   these tables: ${TABLES.join(', ')}
  --threads N    threads, and the last row of their table (default: physical cores)
  --quick        one short round of few rows, to see that it works
  --out DIR      where the files go (default bench/results; of --tables and --quick nothing is kept unless asked for)`;

/** @throws Error with a message for the user */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string' },
      tables: { type: 'string' },
      threads: { type: 'string' },
      quick: { type: 'boolean', default: false },
      out: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const isPart = values.quick || values.tables !== undefined;
  return {
    ...values,
    chosen: someOf('table', values.tables, TABLES),
    rounds: positiveInteger('--rounds', values.rounds ?? (values.quick ? '1' : '3')),
    threads: positiveInteger('--threads', values.threads ?? String(physicalCores())),
    out: values.out ?? (isPart ? undefined : fileURLToPath(new URL('../results', import.meta.url))),
  };
}
