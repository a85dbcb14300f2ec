/** What the tests' programs print, as counts. Every skipped test comes with its reason, or is a failure. */

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  /** One entry for each skipped test. */
  readonly skips: readonly string[];
}

export const NOTHING: Counts = { passed: 0, failed: 0, skips: [] };
export const ONE_FAILURE: Counts = { passed: 0, failed: 1, skips: [] };

export function add(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skips: [...a.skips, ...b.skips] };
}

/** A run that ends badly though no test failed, or in which there was no test, is one failure. */
export function settle(status: number, counts: Counts): Counts {
  const nothing = counts.passed === 0 && counts.skips.length === 0;
  return counts.failed === 0 && (status !== 0 || nothing) ? add(counts, ONE_FAILURE) : counts;
}

/** Skips that no line explains are failures: nobody could say what was not tested. */
function explained(passed: number, failed: number, skipped: number, reasons: readonly string[]): Counts {
  return { passed, failed: failed + Math.max(0, skipped - reasons.length), skips: reasons };
}

const reasonsIn = (output: string) =>
  Array.from(output.matchAll(/^skipped: (.*)$/gm), ([, reason]) => reason!);

/**
 * The log of `ctest`: the cases of every doctest program, and each other test as one. A program that ends badly counts
 * as a failure even if its summary names none, or is missing because it crashed.
 */
export function countCTest(log: string): Counts {
  return log
    .split(/^(?=\d+\/\d+ Testing: )/m)
    .filter((part) => /^\d+\/\d+ Testing: /.test(part))
    .map(countOneOfCTest)
    .reduce(add, NOTHING);
}

function countOneOfCTest(log: string): Counts {
  const ended = /^Test Passed\.$/m.test(log) ? 0 : 1;
  const summary = /^\[doctest\] test cases: +(\d+) \| +(\d+) passed \| +(\d+) failed \| +(\d+) skipped/m.exec(
    log,
  );
  if (!summary) return ended === 0 ? { ...NOTHING, passed: 1 } : ONE_FAILURE;
  const [passed, failed, skipped] = summary.slice(2).map(Number) as [number, number, number];
  // doctest counts as skipped what a filter on the command line leaves to other runs, too: only with --no-skip is that
  // all, for then no case that the filter chose was left out by itself.
  const command = /^Command: .*/m.exec(log)?.[0] ?? '';
  const isFilter = /--(test-case|source-file)/.test(command) && /--no-skip\b/.test(command);
  return settle(ended, explained(passed, failed, isFilter ? 0 : skipped, reasonsIn(log)));
}

/** A program whose last line sums up: `N passed, M failed` and `, K skipped` where some were. */
export function countLastLine(output: string): Counts {
  const last = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/.exec(output.trimEnd().split('\n').at(-1)!);
  if (!last) return NOTHING;
  return explained(Number(last[1]), Number(last[2]), Number(last[3] ?? 0), reasonsIn(output));
}

/** As far as it is read here. */
export interface JestReport {
  readonly numRuntimeErrorTestSuites: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly title: string }[];
  }[];
}

/** Jest's report: a file that cannot be loaded is a failure; the title of a skipped test ends with the reason. */
export function countJest(report: JestReport): Counts {
  const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  const titles = (...statuses: string[]) =>
    tests.filter(({ status }) => statuses.includes(status)).map(({ title }) => title);
  const skipped = titles('pending', 'todo', 'skipped', 'disabled');
  const reasons = skipped.flatMap((title) => /\(skipped: (.*)\)$/s.exec(title)?.[1] ?? []);
  const failed = titles('failed').length + report.numRuntimeErrorTestSuites;
  return explained(titles('passed').length, failed, skipped.length, reasons);
}

/** Why tests were skipped, and how many, then the sums. */
export function summary({ passed, failed, skips }: Counts): string {
  const numbers = new Map<string, number>();
  for (const reason of skips) numbers.set(reason, (numbers.get(reason) ?? 0) + 1);
  const reasons = [...numbers].map(([reason, number]) => `skipped: ${number} × ${reason}\n`);
  return `${reasons.join('')}${passed} passed, ${failed} failed${skips.length > 0 ? `, ${skips.length} skipped` : ''}`;
}
