/**
 * Formats C++, CUDA and Python, and looks Python over for mistakes; TypeScript and JavaScript are Biome's.
 *
 *   node scripts/format.mjs           writes what differs
 *   node scripts/format.mjs --check   names what differs, and fails
 *
 * Both tools are npm packages, so that the lockfile pins them and nobody has to install a compiler's for it.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { PositionEncoding, Workspace } from '@astral-sh/ruff-wasm-nodejs';
import { format as formatCpp } from '@wasm-fmt/clang-format';

const check = process.argv[2] === '--check';
const cppStyle = readFileSync('.clang-format', 'utf8');
const ruff = new Workspace(
  {
    'line-length': 120,
    'target-version': 'py39',
    lint: { select: ['E', 'F', 'UP'], ignore: ['E501'] }, // of lines the formatter decides
  },
  PositionEncoding.Utf16,
);

let problems = 0;
const report = (text) => {
  problems += 1;
  console.error(text);
};

for (const file of tracked('*.h', '*.cpp', '*.cu')) {
  if (!file.includes('/vendor/')) settle(file, (text) => formatCpp(text, file, cppStyle));
}
for (const file of tracked('*.py')) {
  settle(file, (text) => ruff.format(text));
  for (const { code, message, start_location: at } of ruff.check(readFileSync(file, 'utf8'))) {
    report(`${file}:${at.row}:${at.column}: ${code} ${message}`);
  }
}
process.exitCode = problems > 0 ? 1 : 0;

/** Tracked files, and new ones that git does not ignore. */
function tracked(...patterns) {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', ...patterns];
  return execFileSync('git', args, { encoding: 'utf8' }).split('\0').filter(Boolean);
}

function settle(file, format) {
  const text = readFileSync(file, 'utf8');
  const formatted = format(text);
  if (formatted === text) return;
  if (check) report(`${file} is not formatted: npm run format`);
  else writeFileSync(file, formatted);
}
