// How the processes of a row are started.
import { fileURLToPath } from 'node:url';
import { contenders } from '../../shared/contenders.mjs';
import { findPython } from '../../shared/python.mjs';

const path = (file) => fileURLToPath(new URL(file, import.meta.url));
const worker = [process.execPath, path('worker.mjs')];

/**
 * Of each kind of row `start(ranks)`, which gives a command and how many of it there are to be; or the reason why it cannot.
 * @param launcher Of MPI
 */
export function starters(launcher) {
  const { reason: notBuilt } = contenders.find(({ name }) => name === 'margincore').prepare();
  const { python, reason: noPython } = findPython();
  const launched = (ranks) => ({ command: [...launcher.command, '-n', String(ranks), ...worker], copies: 1 });
  return {
    alone: notBuilt ? { reason: notBuilt } : { start: () => ({ command: worker, copies: 1 }) },
    mpi: (notBuilt ?? launcher.reason) ? { reason: notBuilt ?? launcher.reason } : { start: launched },
    ddp: noPython
      ? { reason: noPython }
      : { start: (ranks) => ({ command: [python, path('ddp.py')], copies: ranks }) },
  };
}
