import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What is measured is all of this but what is written of it. */
const MEASURED = ['.', ':(exclude)bench/results', ':(exclude)*.md'];

/**
 * Of which sources results are: their commit, its date, and whether tracked files differed from it. Where git cannot say,
 * $MARGINCORE_COMMIT does.
 */
export function describeSources(root = fileURLToPath(new URL('../..', import.meta.url))) {
  const git = (...args) =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    const [commit, date] = git('show', '--no-patch', '--format=%h %cI', 'HEAD').split(' ');
    const dirty = git('status', '--porcelain', '--untracked-files=no', '--', ...MEASURED) !== '';
    return { commit, date, dirty };
  } catch {
    return { commit: process.env.MARGINCORE_COMMIT ?? 'unknown', date: null, dirty: null };
  }
}

/** The line that a table says of itself, from a report with its `date` and `sources`. */
export function sourcesLine({ date, sources }) {
  const { commit, date: committed, dirty, note } = sources;
  const of = committed ? ` of ${day(committed)}` : '';
  const remark =
    note ?? { true: 'with changes that were not committed', null: 'changes not recorded' }[dirty];
  return `Measured on ${day(date)}, sources ${commit}${of}${remark ? ` (${remark})` : ''}`;
}

const day = (date) => date.slice(0, 10);
