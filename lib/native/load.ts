/** Loads the native addon, once, from wherever it was built or shipped. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import bindings from 'bindings';
import { type ErrorCode, MarginCoreError } from '../base/errors.js';
import { packageRoot, packageVersion } from '../base/packageRoot.js';
import { warnOnce } from '../base/warn.js';
import { adviceToBuild } from './advice.js';
import type { NativeModule } from './contract.js';
import { cutOff } from './cutOff.js';

/** What was built here comes first: a prebuild in a checkout, or beside one's own build, may be older. */
const FOLDERS = ['build/Release', `prebuilds/${process.platform}-${process.arch}`];

let loaded: NativeModule | undefined;

/** The addon. Throws NATIVE_MODULE_NOT_FOUND, listing every file tried and why it did not do. */
export function native(): NativeModule {
  if (loaded === undefined) {
    const addon = load();
    // At process.exit() and after an exception that nobody caught the system takes libraries apart under threads that compute.
    process.once('exit', () => addon.stopAll());
    loaded = addon;
  }
  return loaded;
}

/** A failure of the addon as this package's own error class. */
export function fromNative(error: unknown): MarginCoreError {
  if (error instanceof MarginCoreError) return error;
  const { code, message, details } = (error ?? {}) as Partial<MarginCoreError>;
  return new MarginCoreError(isErrorCode(code) ? code : 'INTERNAL', message ?? String(error), {
    cause: error,
    ...(details && { details }),
  });
}

/** Calls the addon; what it throws becomes a MarginCoreError. */
export function callNative<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fromNative(error);
  }
}

/** Awaits work of the addon; its rejection, or what its start throws, becomes a MarginCoreError. */
export async function awaitNative<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw fromNative(error);
  }
}

interface Failure {
  readonly file: string;
  readonly reason: string;
}

const NO_SUCH_FILE = 'no such file';

function load(): NativeModule {
  const root = packageRoot();
  const failures: Failure[] = [];
  for (const folder of FOLDERS) {
    const file = join(root, folder, 'margincore.node');
    if (!existsSync(file)) {
      failures.push({ file, reason: NO_SUCH_FILE });
      continue;
    }
    try {
      expectWhole(file);
      // One call per folder: `bindings` does not know prebuilds/, and gives up at the first file that does not load.
      const addon = bindings({
        bindings: 'margincore',
        module_root: join(root, folder),
        try: [['module_root', 'bindings']],
      });
      requireThisVersion(addon);
      warnOfBrokenFiles(failures, file);
      return addon;
    } catch (error) {
      failures.push({ file, reason: fromNative(error).message });
    }
  }
  throw new MarginCoreError(
    'NATIVE_MODULE_NOT_FOUND',
    `margincore's native addon could not be loaded:\n${failures
      .map(({ file, reason }) => `  ${file}: ${reason}`)
      .join('\n')}\n${adviceToBuild()}`,
    { details: { failures } },
  );
}

function expectWhole(file: string): void {
  const cut = cutOff(file);
  if (cut !== undefined) throw new Error(`it is cut off: it has ${cut.found} of ${cut.expected} bytes`);
}

/** A build that an update left behind would be called with what it does not know. */
function requireThisVersion({ version }: NativeModule): void {
  const needed = packageVersion();
  if (version !== needed) throw new Error(`it is of version ${version}, this package of ${needed}`);
}

/** A build that is there but does not load must not be replaced by another unnoticed. */
function warnOfBrokenFiles(failures: readonly Failure[], loadedFile: string): void {
  const broken = failures.filter(({ reason }) => reason !== NO_SUCH_FILE);
  if (broken.length === 0) return;
  const described = broken.map(({ file, reason }) => `${file} does not load (${reason})`).join('; ');
  warnOnce('BROKEN_BUILD', `${described}; ${loadedFile} is used`);
}

/** The codes that the addon uses; anything else it throws is a fault of ours. */
const NATIVE_CODES: readonly ErrorCode[] = [
  'INVALID_OPTION',
  'INVALID_DATA',
  'SHAPE_MISMATCH',
  'DEVICE_UNAVAILABLE',
  'UNSUPPORTED',
  'OUT_OF_MEMORY',
  'NON_FINITE',
  'DISPOSED',
  'RANK_FAILED',
  'INTERNAL',
];

function isErrorCode(code: unknown): code is ErrorCode {
  return NATIVE_CODES.includes(code as ErrorCode);
}
