/** The code in README is code: it compiles, against the package's own types. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { temporaryFolder } from '../support/temporaryFolder.js';

const root = packageRoot();
const inFolder = temporaryFolder();

/** What README's code takes as given, and whoever reads it has. */
const GIVEN = `
import type * as margincore from 'margincore';
declare global {
  type Prediction = margincore.Prediction;
  var data: margincore.Dataset, validation: margincore.Split, images: margincore.ImageArray;
  var model: margincore.Model, pixels: Uint8Array, ort: typeof import('onnxruntime-node');
  var train: typeof margincore.train, models: typeof margincore.models, Model: typeof margincore.Model;
  var contactSheet: typeof margincore.contactSheet;
}
`;

const blocks = Array.from(
  readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^```ts\n(.*?)^```/gms),
  ([, code]) => code!,
);

function compile(files: Readonly<Record<string, string>>): string {
  for (const [name, code] of Object.entries(files)) writeFileSync(inFolder(name), code);
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      noEmit: true,
      noUnusedLocals: false,
      module: 'nodenext',
      rootDir: '/',
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
      paths: {
        margincore: [join(root, 'lib/index.ts')],
        'onnxruntime-node': [join(root, 'node_modules/onnxruntime-node')],
      },
    },
    include: [],
    files: Object.keys(files),
  };
  writeFileSync(inFolder('tsconfig.json'), JSON.stringify(config));
  writeFileSync(inFolder('package.json'), '{ "type": "module" }');
  const { stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', inFolder('tsconfig.json')], {
    encoding: 'utf8',
  });
  return stdout;
}

test('there are several pieces', () => expect(blocks.length).toBeGreaterThan(3));

test('all of them compile', () => {
  const pieces = blocks.map((code, index) => [`piece${index}.ts`, `export {};\n${code}`] as const);
  expect(compile({ 'given.d.ts': GIVEN, ...Object.fromEntries(pieces) })).toBe('');
}, 60_000);

test('what does not is seen', () => {
  const code = "export {};\nawait train({ data, head: 'arcfaec' });\n";
  expect(compile({ 'given.d.ts': GIVEN, 'piece.ts': code })).toContain('arcfaec');
}, 60_000);
