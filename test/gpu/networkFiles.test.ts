/** The networks that programs without JavaScript read are those that the library describes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FOLDER, networkFiles } from './networkFiles.js';

test('there is a file for each network, and no other', () => {
  expect(readdirSync(FOLDER).sort()).toEqual(
    networkFiles()
      .map(([name]) => name)
      .sort(),
  );
});

test.each(networkFiles())('%s is current (node dist/test/gpu/writeNetworkFiles.js)', (name, text) => {
  expect(readFileSync(join(FOLDER, name), 'utf8')).toBe(text);
});
