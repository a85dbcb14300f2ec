/** Copies of the working tree in which faults are planted: the working tree itself is never touched. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import type { Fault } from './fault.js';
import { MUTANT_HEADER, withChoices, withFault } from './plant.js';

const ROOT = packageRoot();
const BASE = join(ROOT, '.cache', 'mutate');

/** What decides how tests end; the table of faults and their results do not. */
const TESTED = /^(lib|native|test(?!\/mutants))\/.*(?<!\.md)$|^(CMakeLists\.txt|package\.json)$/;

export interface Scratch {
  readonly folder: string;
  /** Checksum of what is tested, without faults. */
  readonly sources: string;
}

/** A tree for faults of lib/, with the addon that was built here. */
export function libScratch(): Scratch {
  if (!existsSync(join(ROOT, 'build/Release/margincore.node'))) {
    throw new Error('expected a native build in build/Release: npm run setup');
  }
  const scratch = mirror('lib');
  for (const folder of ['build/Release', 'build/sim']) {
    const from = join(ROOT, folder);
    if (existsSync(from)) cpSync(from, join(scratch.folder, folder), { recursive: true });
  }
  return scratch;
}

/** A tree whose native build has all of these faults, each in force where MARGINCORE_MUTANT is its number. */
export function nativeScratch(faults: readonly Fault[]): Scratch {
  const scratch = mirror('native', (file, text) => {
    const own = faults.filter((fault) => fault.file === file);
    return own.length === 0 ? text : withChoices(text.toString(), own);
  });
  writeIfChanged(join(scratch.folder, 'native/base/mutant.h'), MUTANT_HEADER);
  return scratch;
}

/** What the tests of `main.ts` are run by. */
const TARGETS = [
  'margincore',
  'margincore_tests',
  'margincore_cpu_tests',
  'margincore_stale_plugin',
  'margincore_race_tests',
];

/** Builds the tests with their backends, and the addon; what did not change since the last time is not built again. */
export function buildNative({ folder }: Scratch): void {
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  const cmakeJs = join(folder, 'node_modules/.bin/cmake-js');
  if (!existsSync(join(folder, 'build/CMakeCache.txt'))) run(cmakeJs, 'configure', '--CDMARGINCORE_TESTS=ON');
  run('cmake', '--build', 'build', '--parallel', '2', '--target', ...TARGETS);
}

/**
 * Compiles one file of lib/ per fault, without checking types: a fault may well break them.
 * @param folder Emptied before
 * @returns The file of JavaScript with each fault
 */
export function compileFaults(faults: readonly Fault[], folder: string): Map<Fault, string> {
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(ROOT, 'lib'), join(folder, 'lib'), { recursive: true });
  linkToRoot(folder, 'node_modules');
  const options = { noCheck: true, declaration: false, sourceMap: false, rootDir: folder, outDir: 'dist' };
  const config = { extends: join(ROOT, 'tsconfig.json'), compilerOptions: options, include: ['lib'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const compiled = new Map<Fault, string>();
  for (const fault of faults) {
    const file = fault.file.replace(/\.ts$/, `.${fault.name}.ts`);
    writeFileSync(join(folder, file), withFault(readFileSync(join(ROOT, fault.file), 'utf8'), fault));
    compiled.set(fault, join(folder, 'dist', file.replace(/\.ts$/, '.js')));
  }
  execFileSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder], { stdio: 'pipe', encoding: 'utf8' });
  return compiled;
}

/** Where `compileFaults` works for `scripts/mutate`. */
export const COMPILED = join(BASE, 'compiled');

/** Brings a tree up to date: every file that git tracks or would track, and dist. Times of files that stay are kept. */
function mirror(
  name: string,
  edit: (file: string, content: Buffer) => Buffer | string = (_, text) => text,
): Scratch {
  const folder = join(BASE, name);
  const checksum = createHash('sha256');
  for (const file of workingFiles()) {
    const content = readFileSync(join(ROOT, file));
    if (TESTED.test(file)) checksum.update(file).update(content);
    writeIfChanged(join(folder, file), edit(file, content));
  }
  rmSync(join(folder, 'dist'), { recursive: true, force: true });
  cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true });
  linkToRoot(folder, 'node_modules');
  if (existsSync(join(ROOT, '.cuda'))) linkToRoot(folder, '.cuda');
  return { folder, sources: checksum.digest('hex') };
}

function workingFiles(): string[] {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const files = execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).split('\0');
  return files.filter((file) => file !== '' && existsSync(join(ROOT, file)));
}

function writeIfChanged(path: string, content: Buffer | string): void {
  const bytes = Buffer.from(content);
  if (existsSync(path) && readFileSync(path).equals(bytes)) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}

function linkToRoot(folder: string, name: string): void {
  const link = join(folder, name);
  if (!existsSync(link)) symlinkSync(join(ROOT, name), link);
}
