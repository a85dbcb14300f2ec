import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new folder for each test of the calling file, removed after it. Returns the path of a name in that folder; there is none before. */
export function temporaryFolder(): (...names: string[]) => string {
  let folder: string | undefined;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'margincore-data-'));
  });
  afterEach(() => {
    rmSync(folder!, { recursive: true });
    folder = undefined;
  });
  return (...names) => {
    // What is written elsewhere stays.
    if (folder === undefined) throw new Error('a temporary folder is there from beforeEach on');
    return join(folder, ...names);
  };
}
