/** Libraries whose end is missing: a reason, where the system's loader would end the process. */
import { copyFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { cutOff } from '../../../lib/native/cutOff.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();
const addon = join(packageRoot(), 'build/Release/margincore.node');

test('one that is whole, and what is none, are not refused', () => {
  expect(cutOff(addon)).toBeUndefined();
  expect(cutOff(process.execPath)).toBeUndefined();
  for (const text of ['', 'not a library', 'x'.repeat(1000)]) {
    writeFileSync(inFolder('text.node'), text);
    expect(cutOff(inFolder('text.node'))).toBeUndefined();
  }
});

test.each([64, 4096, 0.5, -1])('one of which %d bytes are left says how many there should be', (length) => {
  const { size } = statSync(addon);
  const found = length < 0 ? size + length : length < 1 ? Math.floor(size * length) : length;
  copyFileSync(addon, inFolder('cut.node'));
  truncateSync(inFolder('cut.node'), found);
  expect(readFileSync(inFolder('cut.node'))).toHaveLength(found);
  expect(cutOff(inFolder('cut.node'))).toEqual({ found, expected: size });
});
