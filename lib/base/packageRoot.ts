import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { MarginCoreError } from './errors.js';

/**
 * The folder of margincore's own package.json: above dist/lib in a checkout and in an installed package alike. Throws
 * NATIVE_MODULE_NOT_FOUND where a bundler has copied this code into another program, and left the rest behind.
 */
export function packageRoot(): string {
  // A module of ECMAScript has no __dirname: then this is not the file that was compiled from here.
  if (typeof __dirname !== 'string') throw bundled('another module');
  for (let folder = resolve(__dirname); ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === 'margincore')
      return folder;
    if (folder === dirname(folder)) throw bundled(__filename);
  }
}

function bundled(file: string): MarginCoreError {
  return new MarginCoreError(
    'NATIVE_MODULE_NOT_FOUND',
    `margincore was bundled into ${file}, away from its native addon, which stayed behind. Mark it external, ` +
      'and let it be installed where the program runs: --external:margincore (esbuild), ' +
      "externals: { margincore: 'commonjs margincore' } (webpack), external: ['margincore'] (Rollup), " +
      "ssr: { external: ['margincore'] } (Vite)",
    { details: { file } },
  );
}

/** Of this package. */
export function packageVersion(): string {
  return JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')).version;
}
