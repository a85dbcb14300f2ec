import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot } from './packageRoot.js';

/**
 * A library that is loaded once it is needed: a process that trains on arrays waits for none. A bundler does not follow it,
 * which could not take native parts along.
 * @param name As this package depends on it
 */
export function lazy<T>(name: string): () => T {
  let loaded: T | undefined;
  return () => {
    loaded ??= createRequire(join(packageRoot(), 'package.json'))(name) as T;
    return loaded;
  };
}
