import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MarginCoreError } from '../../../lib/index.js';
import type * as Addon from '../../../lib/native/load.js';
import { fromNative } from '../../../lib/native/load.js';

const PREBUILDS = `prebuilds/${process.platform}-${process.arch}`;

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'margincore-'));
});

afterEach(() => rmSync(root, { recursive: true }));

/** What loading the addon from a package in `root` throws. */
function loadError(): MarginCoreError {
  let thrown: unknown;
  jest.isolateModules(() => {
    jest.doMock('../../../lib/base/packageRoot.js', () => ({
      packageRoot: () => root,
      packageVersion: () => '0.1.0',
    }));
    const { native } = require('../../../lib/native/load.js') as typeof Addon;
    try {
      native();
    } catch (error) {
      thrown = error;
    }
    jest.dontMock('../../../lib/base/packageRoot.js');
  });
  return thrown as MarginCoreError;
}

test('without an addon one error lists every file tried, and the command that builds it', () => {
  const error = loadError();
  expect(error.code).toBe('NATIVE_MODULE_NOT_FOUND');
  expect(error.message).toContain(`${join(root, PREBUILDS, 'margincore.node')}: no such file`);
  expect(error.message).toContain(`${join(root, 'build/Release/margincore.node')}: no such file`);
  expect(error.message).toContain(`Build it with: node ${join(root, 'dist/lib/cli/main.js')} build`);
});

test('a file that does not load is listed with the reason, and the others are tried all the same', () => {
  const folder = join(root, PREBUILDS);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'margincore.node'), 'not a library');
  const { failures } = loadError().details as { failures: { file: string; reason: string }[] };
  expect(failures).toEqual([
    { file: join(root, 'build/Release/margincore.node'), reason: 'no such file' },
    {
      file: join(folder, 'margincore.node'),
      reason: expect.stringMatching(/file too short|invalid ELF header/),
    },
  ]);
});

test("native errors become the package's own, with their code and cause", () => {
  const native = Object.assign(new Error('too large'), { code: 'OUT_OF_MEMORY' });
  expect(fromNative(native)).toMatchObject({ code: 'OUT_OF_MEMORY', message: 'too large', cause: native });
  expect(fromNative(new TypeError('oops'))).toMatchObject({ code: 'INTERNAL', message: 'oops' });
});
