/** The site has a page for each public name, and says of every head, option and error. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ERROR_MEANINGS } from '../../lib/base/errorMeanings.js';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { HEAD_NAMES } from '../../lib/heads/resolve.js';
import { RUN_OPTIONS } from '../../lib/training/options.js';
import { temporaryFolder } from '../support/temporaryFolder.js';

const root = packageRoot();
const inFolder = temporaryFolder();
const KINDS = ['classes', 'functions', 'interfaces', 'modules', 'types', 'variables'];

/** The names that `lib/index.ts` exports, those of types too. */
const publicNames = Array.from(
  readFileSync(join(root, 'lib/index.ts'), 'utf8').matchAll(/^export (?:type )?\{([^}]*)\}/gm),
  ([, names]) =>
    names!
      .split(',')
      .map((each) => each.trim())
      .filter(Boolean),
)
  .flat()
  .map((each) => each.replace(/^type /, '').replace(/^.* as /, ''));

const build = (entry: string, out: string) =>
  spawnSync(process.execPath, [join(root, 'scripts/site/build.mjs'), out, entry], { encoding: 'utf8' });

describe('the site', () => {
  const out = mkdtempSync(join(tmpdir(), 'margincore-site-'));
  let pages: readonly string[] = [];
  const page = (path: string) => readFileSync(join(out, path), 'utf8');

  beforeAll(() => {
    const { status, stdout, stderr } = build('lib/index.ts', out);
    expect([status, stdout + stderr]).toEqual([0, expect.any(String)]);
    pages = KINDS.flatMap((kind) => (existsSync(join(out, kind)) ? readdirSync(join(out, kind)) : []));
  }, 240_000);

  afterAll(() => rmSync(out, { recursive: true }));

  test('every public name has a page', () => {
    expect(publicNames.length).toBeGreaterThan(200);
    expect(publicNames.filter((name) => !pages.includes(`margincore.${name}.html`))).toEqual([]);
  });

  test('every head and option is explained', () => {
    const text = page('documents/docs_options.html');
    const said = (name: string) => text.includes(`<code>${name}</code>`);
    expect([...HEAD_NAMES, ...Object.keys(RUN_OPTIONS)].filter((name) => !said(name))).toEqual([]);
  });

  test('a choice of words is shown as those words', () => {
    const text = page('types/margincore.HeadName.html');
    expect(HEAD_NAMES.filter((name) => !text.includes(`&quot;${name}&quot;`))).toEqual([]);
  });

  test('a member that is a function says what that function is for', () => {
    expect(page('variables/margincore.datasets.idx.html')).toContain('A folder of IDX files');
  });

  test('every code of an error is explained', () => {
    const text = page('documents/docs_errors.html');
    expect(Object.keys(ERROR_MEANINGS).filter((code) => !text.includes(`<code>${code}</code>`))).toEqual([]);
  });
});

test('a name without a comment, and a type that is not public, are refused', () => {
  const { status, stdout, stderr } = build('test/docs/undocumented.ts', inFolder('refused'));
  expect(status).toBe(1);
  expect(stdout + stderr).toMatch(/bare .*does not have any documentation/);
  expect(stdout + stderr).toMatch(/Hidden, .*not included in the documentation/);
}, 240_000);

test('the project itself is compiled by its own TypeScript', () => {
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['--version'], { encoding: 'utf8' });
  expect(stdout).toBe(`Version ${devDependencies.typescript}\n`);
});
