/** What became of each fault: kept as JSON, so that a later run goes on, and shown as a table. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import type { Fault } from './fault.js';

const FOLDER = join(packageRoot(), 'test/mutants/results');

export type Side = 'lib' | 'native';

/** Which tests were run: those that a fault's row names, or all. */
export type Round = 'likely' | 'all';

export interface Result {
  /** The first test that failed; null: none did. */
  readonly caughtBy: string | null;
  readonly round: Round;
  readonly suite: string;
  readonly seconds: number;
  readonly date: string;
  /** Of the sources; with + where they differed from it. */
  readonly commit: string;
  /** Of the row of the table: another row is another fault. */
  readonly checksum: string;
}

interface Stored {
  /** The sources whose tests passed without a fault, and the seconds that each suite took, by round. */
  green?: { readonly sources: string; readonly seconds: Record<string, Record<string, number>> };
  results: Record<string, Result>;
}

export class Results {
  readonly #path: string;
  readonly #stored: Stored;

  constructor(side: Side) {
    this.#path = join(FOLDER, `${side}.json`);
    this.#stored = existsSync(this.#path) ? JSON.parse(readFileSync(this.#path, 'utf8')) : { results: {} };
  }

  /** Of this very fault; undefined where it was not tried, or its row has changed. */
  of(fault: Fault): Result | undefined {
    const result = this.#stored.results[fault.name];
    return result?.checksum === checksumOf(fault) ? result : undefined;
  }

  /** Seconds by suite where these sources have passed this round. */
  green(sources: string, round: Round): Record<string, number> | undefined {
    return this.#stored.green?.sources === sources ? this.#stored.green.seconds[round] : undefined;
  }

  setGreen(sources: string, round: Round, seconds: Record<string, number>): void {
    const before = this.#stored.green?.sources === sources ? this.#stored.green.seconds : {};
    this.#stored.green = { sources, seconds: { ...before, [round]: seconds } };
    this.#write();
  }

  /** Written at once: nothing is lost where a run is broken off. */
  add(fault: Fault, result: Pick<Result, 'caughtBy' | 'round' | 'suite' | 'seconds'>): void {
    this.#stored.results[fault.name] = {
      ...result,
      seconds: Math.round(result.seconds),
      date: new Date().toISOString().slice(0, 10),
      commit: commit(),
      checksum: checksumOf(fault),
    };
    this.#write();
  }

  #write(): void {
    writeFileSync(this.#path, `${JSON.stringify(this.#stored, null, 2)}\n`);
  }
}

function checksumOf({ file, find, replace }: Fault): string {
  return createHash('sha256').update([file, find, replace].join('\0')).digest('hex').slice(0, 12);
}

function commit(): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: packageRoot(), encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', 'lib', 'native', 'test', ':!test/mutants') !== '';
  return git('rev-parse', '--short', 'HEAD') + (changed ? '+' : '');
}

/** Writes results/README.md: survivors first. */
export function writeTable(
  sides: readonly { readonly title: string; readonly side: Side; readonly faults: readonly Fault[] }[],
): void {
  const parts = sides.map(({ title, side, faults }) => {
    const results = new Results(side);
    const rows = faults.map((fault) => ({ fault, result: results.of(fault) }));
    const survivors = rows.filter(({ result }) => result?.caughtBy === null);
    const caught = rows.filter(({ result }) => typeof result?.caughtBy === 'string');
    const missing = rows.length - survivors.length - caught.length;
    const open = survivors.filter(({ result }) => result?.round === 'likely').length + missing;
    const count = `${rows.length} faults: ${caught.length} caught, ${rows.length - caught.length - open} survived`;
    return [
      `## ${title}\n`,
      `${count}${open > 0 ? `, ${open} not tried with all tests` : ''}.\n`,
      ...(survivors.length > 0
        ? [
            table('not caught: why', survivors, ({ fault, result }) =>
              result?.round === 'likely'
                ? 'only the tests that its row names were run'
                : (fault.unseen ?? '**no test sees it**'),
            ),
          ]
        : []),
      table('caught by', caught, ({ result }) => `${result!.suite}: ${result!.caughtBy}`),
    ].join('\n');
  });
  writeFileSync(
    join(FOLDER, 'README.md'),
    `# Which test sees which fault\n\nWritten by \`scripts/mutate\`.\n\n${parts.join('\n')}`,
  );
}

interface Row {
  readonly fault: Fault;
  readonly result: Result | undefined;
}

function table(heading: string, rows: readonly Row[], text: (row: Row) => string): string {
  const lines = rows.map(
    (row) =>
      `| ${row.fault.name} | ${row.fault.what} | ${row.fault.file} | ${text(row).replaceAll('|', '\\|')} | ${row.result!.date}, ${row.result!.commit} |`,
  );
  return [`| fault | what | file | ${heading} | date, commit |`, '|---|---|---|---|---|', ...lines, ''].join(
    '\n',
  );
}
