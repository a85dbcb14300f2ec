import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { positiveInteger, someOf } from '../../shared/arguments.mjs';
import { ENGINES } from './launcher.mjs';
import { WORKS } from './plan.mjs';

export const usage = `Usage: node bench/scaling/ranks.mjs [options]

  --rounds N     rounds over all rows (default 3)
  --work A,B     these works: ${WORKS.join(', ')}
  --mpi NAME     whose launcher: ${ENGINES.join(', ')} (default: the first that is there)
  --quick        one short round of every row, to see that it works
  --out DIR      where the files go (default bench/results; of --work and --quick nothing is kept unless asked for)`;

/** @throws Error with a message for the user */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string' },
      work: { type: 'string' },
      mpi: { type: 'string' },
      quick: { type: 'boolean', default: false },
      out: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const isPart = values.quick || values.work !== undefined;
  return {
    ...values,
    work: someOf('work', values.work, WORKS),
    mpi: someOf('MPI', values.mpi, ENGINES),
    rounds: positiveInteger('--rounds', values.rounds ?? (values.quick ? '1' : '3')),
    out: values.out ?? (isPart ? undefined : fileURLToPath(new URL('../../results', import.meta.url))),
  };
}
