/** The code in a document, taken out of it, compiled and run. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import type { Finished } from '../support/margincore.js';
import { runIn } from '../support/runIn.js';

export interface Block {
  readonly language: string;
  readonly code: string;
  /** Of a block that is a file: its first line says so. */
  readonly file: string | undefined;
}

export function blocksOf(markdown: string): Block[] {
  return Array.from(markdown.matchAll(/^```(\S*)\n(.*?)^```$/gms), ([, language, code]) => ({
    language: language!,
    code: code!,
    file: /^(?:\/\/|<!--) ([\w.-]+\.\w+)(?: -->)?\n/.exec(code!)?.[1],
  }));
}

/** What a test has to run in place of what is written. */
export interface Change {
  readonly from: string;
  readonly to: string;
  readonly because: string;
}

/** @throws where a change has nothing to change. */
export function changed(text: string, changes: readonly Change[]): string {
  return changes.reduce((before, { from, to }) => {
    if (!before.includes(from)) throw new Error(`there is no ${JSON.stringify(from)} to be changed`);
    return before.replaceAll(from, to);
  }, text);
}

const SETTINGS = {
  module: 'nodenext',
  noUnusedLocals: false,
  declaration: false,
  sourceMap: false,
  rootDir: '.',
  outDir: '.',
  types: ['node'],
  typeRoots: [join(packageRoot(), 'node_modules/@types')],
};

/**
 * Compiles a program of TypeScript in a folder where the package is installed.
 * @returns what the compiler complains of
 */
export async function compileIn(folder: string, files: Readonly<Record<string, string>>): Promise<string> {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      ...{ extends: join(packageRoot(), 'tsconfig.json'), compilerOptions: SETTINGS },
      ...{ include: [], files: Object.keys(files) },
    }),
  );
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  const compiler = join(packageRoot(), 'node_modules/typescript/bin/tsc');
  return (await runIn(folder, [process.execPath, compiler, '-p', '.'])).stdout;
}

/** As root Open MPI starts no process, and none beyond the processor's cores, unless it is told to. */
const OPEN_MPI = {
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  OMPI_MCA_rmaps_base_oversubscribe: '1',
};

/** Nothing of the caller's: neither decoded pictures, nor an answer from npm's servers. */
const environmentIn = (folder: string) => ({
  XDG_CACHE_HOME: join(folder, 'cache'),
  npm_config_offline: 'true',
  NODE_NO_WARNINGS: '1',
  ...OPEN_MPI,
});

export const runProgram = (folder: string, file: string): Promise<Finished> =>
  runIn(folder, [process.execPath, file], { environment: environmentIn(folder) });

export const runShell = (folder: string, commands: string): Promise<Finished> =>
  runIn(folder, ['bash', '-euo', 'pipefail', '-c', commands], { environment: environmentIn(folder) });
