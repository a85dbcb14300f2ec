import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const git = (...args) =>
  execFileSync('git', args, { cwd: fileURLToPath(new URL('.', import.meta.url)), encoding: 'utf8' }).trim();

/** The commit that is measured, its date, and whether tracked files differ from it, results aside. */
export function describeSources() {
  const [commit, committed] = git('log', '-1', '--format=%H %cI').split(' ');
  const changed = git(
    'status',
    '--porcelain',
    '--untracked-files=no',
    '--',
    ':/',
    ':(top,exclude)bench/results',
  );
  return { commit, committed, dirty: changed !== '' };
}
