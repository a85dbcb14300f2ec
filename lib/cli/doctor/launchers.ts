/** What could start several processes that train together, and whether this build could join them. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Engine } from '../../distributed/launcher.js';

export interface LauncherState {
  readonly engine: Engine;
  /** A launcher and the addon's plugin are both there. */
  readonly found: boolean;
  /** Its command and version, or what is missing. */
  readonly detail: string;
}

interface Kind {
  readonly engine: Engine;
  readonly name: string;
  /** Debian's own, and what others call it. */
  readonly commands: readonly string[];
  /** Its answer to --version. */
  readonly answer: RegExp;
  readonly package: string;
}

const KINDS: readonly Kind[] = [
  {
    engine: 'openmpi',
    name: 'Open MPI',
    commands: ['mpirun.openmpi', 'mpirun', 'orterun'],
    answer: /\(Open ?(?:RTE|MPI)\) (\S+)/,
    package: 'openmpi-bin',
  },
  {
    engine: 'mpich',
    name: 'MPICH',
    commands: ['mpirun.mpich', 'mpiexec.hydra', 'mpirun'],
    answer: /HYDRA build details:\s+Version:\s+(\S+)/,
    package: 'mpich',
  },
];

/** @param addon The addon's file; undefined where it does not load. */
export function findLaunchers(addon: string | undefined): LauncherState[] {
  return KINDS.map(({ engine, name, commands, answer, package: debian }) => {
    const missing = (detail: string) => ({ engine, found: false, detail });
    const plugin = addon && join(dirname(addon), `libmargincore_${engine}.so`);
    for (const command of commands) {
      const version = answer.exec(spawnSync(command, ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1];
      if (version === undefined) continue;
      if (!plugin || !existsSync(plugin))
        return missing(`${command} is there, but this build has no plugin for ${name}`);
      return { engine, found: true, detail: `${command}, ${name} ${version}` };
    }
    return missing(`no launcher (Debian: ${debian})`);
  });
}
