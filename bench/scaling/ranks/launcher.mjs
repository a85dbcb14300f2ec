// What starts processes of MPI on this machine.
import { spawnSync } from 'node:child_process';

const asRoot = process.getuid?.() === 0 ? ['--allow-run-as-root'] : [];

/** As Debian names them, and as all do. More processes than cores are wanted; where each runs is the kernel's to say. */
const LAUNCHERS = {
  openmpi: {
    label: 'Open MPI',
    programs: ['mpirun.openmpi', 'mpirun'],
    said: /(?:Open MPI|OpenRTE)\D*([\d.]+)/,
    flags: ['--bind-to', 'none', '--oversubscribe', ...asRoot],
  },
  mpich: {
    label: 'MPICH',
    programs: ['mpirun.mpich', 'mpirun'],
    said: /HYDRA[\s\S]*?Version:\s*([\d.]+)/,
    flags: [],
  },
};

export const ENGINES = Object.keys(LAUNCHERS);

/** The first of the engines that is there, as a command without the number of processes; else why none is. */
export function findLauncher(engines) {
  for (const { label, programs, said, flags } of engines.map((engine) => LAUNCHERS[engine])) {
    for (const program of programs) {
      const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
      const version = stdout?.match(said)?.[1];
      if (version) return { command: [program, ...flags], name: `${label} ${version}` };
    }
  }
  const names = engines.map((engine) => LAUNCHERS[engine].programs[0]).join(', ');
  return { reason: `no launcher of MPI (${names}): install openmpi-bin or mpich` };
}
