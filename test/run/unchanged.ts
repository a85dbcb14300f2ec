/**
 * Parts that take long and read little: one that has passed is not run again while nothing that it reads is another. What has passed, and
 * of what, stands in a file of the checkout: whoever changes what a part reads runs it, and commits that it passed.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Counts } from './counts.js';

export const PASSED = '.ci/passed.json';

interface Pass {
  /** Checksum of all that the part reads. */
  readonly of: string;
  readonly on: string;
  readonly tests: number;
}

type Passes = Readonly<Record<string, Pass>>;

/** What a part's result depends on. */
export interface Reads {
  /** Files, and folders with all that is in them. */
  readonly paths: readonly string[];
  /** Of the machine: compiler, processor. */
  readonly machine: string;
}

/** When it has passed with what it would read now; undefined: it has not. */
export function passOf(name: string, reads: Reads): Pass | undefined {
  const pass = passes()[name];
  return pass?.of === checksum(reads) ? pass : undefined;
}

export function keepPass(name: string, reads: Reads, { passed }: Counts): void {
  const pass = { of: checksum(reads), on: new Date().toISOString().slice(0, 10), tests: passed };
  const all = Object.entries({ ...passes(), [name]: pass }).sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(PASSED, `${JSON.stringify(Object.fromEntries(all), null, 2)}\n`);
}

/** Compiler and processor, as far as a test may depend on them. */
export function machine(): string {
  const { stdout } = spawnSync(process.env.CXX ?? 'c++', ['--version'], { encoding: 'utf8' });
  const flags = /^flags\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
  const vectors = flags.split(' ').filter((flag) => /^(avx|amx|fma|f16c)/.test(flag));
  return [stdout?.split('\n')[0], process.arch, ...vectors.sort()].join(' ');
}

function passes(): Passes {
  try {
    return JSON.parse(readFileSync(PASSED, 'utf8')) as Passes;
  } catch {
    return {}; // nothing is known to have passed
  }
}

function checksum({ paths, machine }: Reads): string {
  const hash = createHash('sha256');
  hash.update(machine);
  for (const file of paths.flatMap(filesIn).sort()) hash.update(`\0${file}\0`).update(readFileSync(file));
  return hash.digest('hex');
}

function filesIn(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesIn(join(path, entry.name)) : [join(path, entry.name)],
  );
}
