/** docs/errors.md is that of the table of codes. */
import { readFileSync } from 'node:fs';
import { ERROR_MEANINGS } from '../../lib/base/errorMeanings.js';
import { errorDocs, FILE } from './errorDocs.js';

test('docs/errors.md is current (npm run docs)', () => {
  expect(readFileSync(FILE, 'utf8')).toBe(errorDocs());
});

test.each(Object.entries(ERROR_MEANINGS))('%s: whole sentences', (_, { what, remedy }) => {
  expect(what).toMatch(/^.+\.$/);
  expect(remedy).toMatch(/^.+\.$/);
});
