import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MarginCoreError } from './errors.js';

/** The folder of margincore's own package.json: above dist/lib in a checkout and in an installed package alike. */
export function packageRoot(): string {
  for (let folder = __dirname; ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === 'margincore')
      return folder;
    if (folder === dirname(folder)) {
      throw new MarginCoreError(
        'INTERNAL',
        `No package.json of margincore above ${__dirname}: its files were moved, or bundled into another program`,
      );
    }
  }
}

/** Of this package. */
export function packageVersion(): string {
  return JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')).version;
}
