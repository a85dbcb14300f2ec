/** A program with margincore bundled into it, by esbuild, is told what to do; with margincore external it works. */
import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();
const execute = promisify(execFile);

const PROGRAM = `
  import { linear, MarginCoreError, sequential, train } from 'margincore';
  const images = { data: new Uint8Array(40).map((_, i) => 37 * i), shape: [10, 2, 2, 1] };
  const labels = Array.from({ length: 10 }, (_, i) => i % 2);
  const model = sequential([linear({ outFeatures: 4 })]);
  train({ data: { images, labels }, model, epochs: 1, batchSize: 5, device: 'cpu' }).then(
    ({ history }) => console.log(JSON.stringify({ epochs: history.length })),
    (error) => {
      const { code, message } = error;
      console.log(JSON.stringify({ isOurs: error instanceof MarginCoreError, code, message }));
    },
  );`;

/** What the program says that esbuild makes with these flags. */
async function bundle(output: string, ...flags: string[]) {
  mkdirSync(inFolder('program', 'node_modules'), { recursive: true });
  symlinkSync(packageRoot(), inFolder('program', 'node_modules', 'margincore'));
  writeFileSync(inFolder('program', 'main.mjs'), PROGRAM);
  const esbuild = join(dirname(require.resolve('esbuild/package.json')), 'bin', 'esbuild');
  const file = inFolder('program', output);
  const common = ['main.mjs', '--bundle', '--platform=node', `--outfile=${file}`, '--log-level=error'];
  await execute(esbuild, [...common, ...flags], { cwd: inFolder('program') });
  const { stdout } = await execute(process.execPath, [file], { cwd: inFolder('program') });
  return JSON.parse(stdout);
}

/** The way around "Dynamic require is not supported" that is handed on. */
const REQUIRE =
  "--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

test.each([
  ['as CommonJS', 'out.cjs', ['--format=cjs'], /bundled into \S*\/program\/out\.cjs, away/],
  ['minified', 'out.cjs', ['--format=cjs', '--minify'], /bundled into \S*\/program\/out\.cjs, away/],
  [
    'as a module, with a require of its own',
    'out.mjs',
    ['--format=esm', REQUIRE],
    /bundled into another module/,
  ],
  [
    "with webpack's stand-in for __dirname",
    'out.cjs',
    ['--format=cjs', '--define:__dirname="/"'],
    /out\.cjs, away/,
  ],
])('%s: the error says to mark it external', async (_, output, flags, where) => {
  const answer = await bundle(output, ...flags);
  expect(answer).toMatchObject({ isOurs: true, code: 'NATIVE_MODULE_NOT_FOUND' });
  expect(answer.message).toMatch(where);
  expect(answer.message).toContain('Mark it external');
  expect(answer.message).toContain('--external:margincore (esbuild)');
});

test.each([
  ['out.cjs', '--format=cjs'],
  ['out.mjs', '--format=esm'],
])('%s: external, as the error advises, it trains', async (output, format) => {
  expect(await bundle(output, format, '--external:margincore')).toEqual({ epochs: 1 });
});
