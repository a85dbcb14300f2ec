import { parseArgs } from 'node:util';
import { physicalCores } from './machine.mjs';
import { tables } from './plan.mjs';

export const usage = `Usage: npm run bench -- [options]

  --rounds N        rounds over all contenders (default 5)
  --only A,B        these contenders: margincore, pytorch, convnetjs, tfjs
  --tables A,B      these tables: batch128, batch20, head, firstStep and memory (measured together)
  --threads N       threads for margincore and PyTorch (default: physical cores)
  --quick           one short round, to see that everything works
  --json FILE|-     everything that was measured, as JSON; - is standard output, and the table goes to standard error
  --markdown FILE   the table as Markdown`;

/** @throws Error with a message for the user */
export function readOptions(args, contenderNames) {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string' },
      only: { type: 'string' },
      tables: { type: 'string' },
      threads: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      markdown: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const only = values.only?.split(',') ?? contenderNames;
  const unknown = only.filter((name) => !contenderNames.includes(name));
  if (unknown.length > 0) {
    throw new Error(`Unknown contender ${unknown.join(', ')}: there are ${contenderNames.join(', ')}`);
  }
  const known = tables.map(({ id }) => id);
  const chosen = values.tables?.split(',') ?? known;
  const strange = chosen.filter((id) => !known.includes(id));
  if (strange.length > 0)
    throw new Error(`Unknown table ${strange.join(', ')}: there are ${known.join(', ')}`);
  return {
    ...values,
    only,
    chosen,
    rounds: positiveInteger('--rounds', values.rounds ?? (values.quick ? '1' : '5')),
    threads: positiveInteger('--threads', values.threads ?? String(physicalCores())),
  };
}

function positiveInteger(name, text) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`Expected a positive integer for ${name} but received ${text}`);
  return value;
}
