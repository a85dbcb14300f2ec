/** docs/errors.md, made of the table of codes. */
import { join } from 'node:path';
import { ERROR_MEANINGS } from '../../lib/base/errorMeanings.js';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { markdownTable } from './markdownTable.js';

export const FILE = join(packageRoot(), 'docs/errors.md');

const INTRODUCTION =
  'Everything that is refused or fails is a `MarginCoreError`. Its `code` is one of these, its message says what was expected, what was\n' +
  'found and where, and its `details` carry what a program may want. A signal that was aborted is no error of ours: it rejects with its own reason.\n' +
  'Made of the table of codes by `npm run docs`.';

export function errorDocs(): string {
  const table = markdownTable(
    ['code', 'what', 'what helps', '`details`'],
    Object.entries(ERROR_MEANINGS).map(([code, { what, remedy, details = '–' }]) => [
      `\`${code}\``,
      what,
      remedy,
      details,
    ]),
  );
  return `${['# Errors', INTRODUCTION, table].join('\n\n')}\n`;
}
