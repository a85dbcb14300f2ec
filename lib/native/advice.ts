/** Commands that mend an installation, as the reader types them where this process runs. */
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { packageRoot } from '../base/packageRoot.js';

/** What the native code is written for. */
const PLATFORM = 'linux x64';

/** A sentence on how to get an addon that loads here. */
export function adviceToBuild(): string {
  const here = `${process.platform} ${process.arch}`;
  if (here !== PLATFORM) return `margincore runs on ${PLATFORM}; this is ${here}`;
  if (!hasGlibc()) {
    return 'margincore needs glibc, and this system has musl, as Alpine does: take an image of Debian, node:22-bookworm-slim for example';
  }
  return `Build it with: ${isCheckout() ? setupCommand() : programCommand('build')}`;
}

/** Of another C library no build would load: what it is compiled against, oneDNN and CUDA among them, is made for glibc. */
function hasGlibc(): boolean {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime !== undefined;
}

/** A sentence on how to get the CUDA backend, where the one that is loaded was built without it. */
export function adviceToBuildCuda(): string {
  return `Build it with: ${programCommand('build --cuda')}`;
}

/** Sources as in the repository; what npm installs never has a lock file, without which `npm run setup` cannot work. */
function isCheckout(): boolean {
  return existsSync(join(packageRoot(), 'package-lock.json'));
}

function setupCommand(): string {
  const root = packageRoot();
  const isInside = !relative(root, process.cwd()).startsWith('..');
  return isInside ? 'npm run setup' : `npm --prefix ${quoted(root)} run setup`;
}

/** What `margincore` runs. */
export const programFile = () => join(packageRoot(), 'dist/lib/cli/main.js');

/** `npx` where it finds this very package, and does not fetch another one instead. */
function programCommand(rest: string): string {
  const main = programFile();
  return npxRuns(main) ? `npx margincore ${rest}` : `node ${quoted(main)} ${rest}`;
}

/** npm's bin folders are looked through from the working folder upwards. */
function npxRuns(main: string): boolean {
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    const link = join(folder, 'node_modules/.bin/margincore');
    if (existsSync(link)) return realpathSync(link) === realpathSync(main);
    if (folder === dirname(folder)) return false;
  }
}

/** For a shell. */
function quoted(path: string): string {
  return /^[\w./+:@-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
