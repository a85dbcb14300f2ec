import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { manifest } from './installedPackage.js';
import { margincore } from './margincore.js';

/** What npm itself does. */
const OF_NPM = ['test', 'pack', 'install', 'init', 'ci'];

/** Of the scripts, npm scripts and commands of `npx margincore` that a text names, those that there are not. */
export async function unknownCommands(text: string): Promise<string[]> {
  const found = (pattern: RegExp) => [...new Set(Array.from(text.matchAll(pattern), ([, name]) => name!))];
  const files = found(/\b(scripts\/[\w.-]+)/g).filter((file) => !existsSync(join(packageRoot(), file)));
  const { scripts } = manifest();
  const ofNpm = found(/\bnpm (?!run\b)([a-z-]+)/g).filter((name) => !OF_NPM.includes(name));
  const run = found(/\bnpm run ([\w:-]+)/g).filter((name) => !Object.hasOwn(scripts, name));
  const commands = found(/\bnpx margincore ([a-z-]+)/g);
  const helps = await Promise.all(commands.map((name) => margincore([name, '--help'])));
  return [...files, ...ofNpm, ...run, ...commands.filter((_, index) => helps[index]!.status !== 0)];
}
