/** What the native core answers arrives under its own name. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { fromNative } from '../../../lib/native/load.js';

const header = readFileSync(join(packageRoot(), 'native/base/error.h'), 'utf8');
const codes = [...header.matchAll(/return "([A-Z_]+)";/g)]
  .map(([, code]) => code!)
  .filter((code) => code !== 'OK');

test('there are some', () => expect(codes.length).toBeGreaterThan(5));

test.each(codes)('%s', (code) => {
  expect(fromNative(Object.assign(new Error('why'), { code }))).toMatchObject({ code, message: 'why' });
});
