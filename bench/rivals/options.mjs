import { parseArgs } from 'node:util';
import { positiveInteger, someOf } from '../shared/arguments.mjs';
import { physicalCores } from '../shared/machine.mjs';
import { tables, works } from '../shared/works.mjs';

export const usage = `Usage: npm run bench -- [options]

  --rounds N        rounds over all contenders (default 5)
  --only A,B        these contenders: margincore, pytorch, convnetjs, tfjs
  --work A,B        these works: ${works.map(({ id }) => id).join(', ')}
  --tables A,B      these tables: ${tables.map(({ id }) => id).join(', ')}
                    (firstStep and memory are measured together)
  --threads N       threads for margincore and PyTorch (default: physical cores)
  --quick           one short round of everything, to see that it works
  --json FILE|-     everything that was measured, as JSON; - is standard output, and the table goes to standard error
  --markdown FILE   the table as Markdown`;

/** @throws Error with a message for the user */
export function readOptions(args, contenderNames) {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string' },
      only: { type: 'string' },
      work: { type: 'string' },
      tables: { type: 'string' },
      threads: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      markdown: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const ids = (list) => list.map(({ id }) => id);
  return {
    ...values,
    only: someOf('contender', values.only, contenderNames),
    work: someOf('work', values.work, ids(works)),
    chosen: someOf('table', values.tables, ids(tables)),
    rounds: positiveInteger('--rounds', values.rounds ?? (values.quick ? '1' : '5')),
    threads: positiveInteger('--threads', values.threads ?? String(physicalCores())),
  };
}
