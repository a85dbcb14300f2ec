/** Results say of which sources they are, README when its tables were measured, and the benchmark that it hides nothing. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { temporaryFolder } from '../support/temporaryFolder.js';

const root = packageRoot();
const folder = join(root, 'bench/results');
/** Of programs that measure no speed: from there. */
const OTHERS = ['kills', 'exports'].flatMap((room) =>
  ['results.json', 'results.md'].map((file) => `../../test/${room}/${file}`),
);
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.\w+$/.test(file))
  .concat(OTHERS);

interface Origin {
  readonly day: string;
  readonly commit: string;
}

/** What a file of results says of itself: JSON in fields, all else in one line. */
function origin(file: string): Origin | undefined {
  const text = readFileSync(join(folder, file), 'utf8');
  if (file.endsWith('.json')) {
    const { date, sources } = JSON.parse(text);
    return { day: date.slice(0, 10), commit: sources.commit };
  }
  const [, day, commit] = /\bMeasured on (\d{4}-\d\d-\d\d), sources (\w+)/.exec(text) ?? [];
  return day && commit ? { day, commit } : undefined;
}

/** What single runs of a recipe came to, each folder with the sources of all. */
const isOfRun = (file: string) => file.startsWith('recipes/runs/');
const results = files.filter((file) => !file.endsWith('README.md') && !isOfRun(file));

test('there are results', () => expect(results.length).toBeGreaterThan(10));

test.each(results)('%s: the day it was measured, and the commit of its sources', (file) => {
  expect(origin(file)).toEqual({
    day: expect.stringMatching(/^20\d\d-\d\d-\d\d$/),
    commit: expect.stringMatching(/^[0-9a-f]{7,40}$/),
  });
});

test.each(
  results.filter((file) => !file.endsWith('.json') && results.includes(file.replace(/\.\w+$/, '.json'))),
)('%s says the same as its JSON', (file) =>
  expect(origin(file)).toEqual(origin(file.replace(/\.\w+$/, '.json'))),
);

test.each(files.filter((file) => isOfRun(file) && file.endsWith('.json') && !file.endsWith('sources.json')))(
  '%s: among the sources',
  (file) => {
    const { key, seed } = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    const runs = JSON.parse(readFileSync(join(folder, file, '../sources.json'), 'utf8'));
    expect(runs[`${JSON.stringify(key)} seed ${seed}`]).toMatchObject({
      date: expect.stringMatching(/^20\d\d-\d\d-\d\d/),
      sources: { commit: expect.stringMatching(/^[0-9a-f]{7,40}$/), dirty: false },
    });
  },
);

const SHOWN = ['cpu.json', 'accuracy.json', 'h100/seed-cnn.json', 'h100/resnet18.json'];

test.each(SHOWN)('README names day and commit of what it shows of %s', (file) => {
  const { day, commit } = origin(file)!;
  const paragraphs = readFileSync(join(root, 'README.md'), 'utf8').split('\n\n');
  // Of tables that were measured together each says so.
  const alike = SHOWN.filter((each) => origin(each)!.day === day && origin(each)!.commit === commit);
  expect(
    paragraphs.filter((text) => text.includes(`Measured on ${day}`) && text.includes(commit)),
  ).toHaveLength(alike.length);
});

/** What a module's expression is, of the benchmark. */
function evaluate(module: string, expression: string, variables: Record<string, string> = {}) {
  const url = pathToFileURL(join(root, 'bench', module)).href;
  const code = `import * as bench from '${url}'; console.log(JSON.stringify(${expression}))`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
    env: { ...process.env, ...variables },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}

describe('the sources', () => {
  const inFolder = temporaryFolder();

  const git = (...args: string[]) => execFileSync('git', args, { cwd: inFolder(), encoding: 'utf8' }).trim();
  const sources = (variables = {}) =>
    evaluate('shared/sources.mjs', `bench.describeSources('${inFolder()}')`, variables);

  function repository(): void {
    mkdirSync(inFolder('bench/results'), { recursive: true });
    for (const file of ['code.cpp', 'bench/results/cpu.json']) writeFileSync(inFolder(file), 'first');
    git('init', '--quiet');
    git('add', '.');
    git(
      ...['-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '--quiet', '-m', 'one'],
      ...['--date', '2020-01-01T00:00:00Z'],
    );
  }

  test('of a commit, and whether they differ from it', () => {
    repository();
    const commit = git('rev-parse', '--short', 'HEAD');
    const clean = { commit, date: git('show', '-s', '--format=%cI'), dirty: false };
    expect(sources()).toEqual(clean);
    writeFileSync(inFolder('bench/results/cpu.json'), 'measured anew');
    expect(sources()).toEqual(clean); // the first part of a run must not mark the second
    writeFileSync(inFolder('code.cpp'), 'other');
    expect(sources()).toEqual({ ...clean, dirty: true });
  });

  test('where git cannot say: what the environment says, else unknown', () => {
    const none = { GIT_CEILING_DIRECTORIES: join(inFolder(), '..') };
    expect(sources({ ...none, MARGINCORE_COMMIT: 'abc1234' })).toMatchObject({ commit: 'abc1234' });
    expect(sources({ ...none, MARGINCORE_COMMIT: undefined })).toMatchObject({ commit: 'unknown' });
  });

  test.each([
    [{ dirty: false }, 'Measured on 2026-01-02, sources abc1234 of 2026-01-01'],
    [
      { dirty: true },
      'Measured on 2026-01-02, sources abc1234 of 2026-01-01 (with changes that were not committed)',
    ],
    [{ dirty: null, date: null }, 'Measured on 2026-01-02, sources abc1234 (changes not recorded)'],
  ])('%j as a line', (more, line) => {
    const report = {
      date: '2026-01-02T03:04:05Z',
      sources: { commit: 'abc1234', date: '2026-01-01T00:00:00Z', ...more },
    };
    expect(evaluate('shared/sources.mjs', `bench.sourcesLine(${JSON.stringify(report)})`)).toBe(line);
  });
});

describe('what flatters least', () => {
  interface Job {
    readonly contender: string;
    readonly variant?: string;
    readonly env?: Record<string, string>;
    readonly answers: readonly { table: string }[];
  }

  const planned = evaluate(
    'rivals/plan.mjs',
    `bench.planRound({
      quick: false, threads: 1, only: ['margincore', 'pytorch'],
      work: ['seed-cnn', 'head', 'resnet18', 'resnet18-bf16', 'l-softmax-net', 'resnet18-inference'],
      chosen: ['batch128', 'batch20', 'firstStep', 'memory', 'head', 'resnet18', 'resnet18Memory', 'resnet18Bf16',
        'lSoftmaxNet', 'inference64', 'inference1'],
    })`,
  ) as Job[];
  const tables = [...new Set(planned.flatMap(({ answers }) => answers.map(({ table }) => table)))];

  test('is planned for every table', () => expect(tables).toHaveLength(11));

  test.each(tables)('%s: PyTorch with malloc tuned, and prediction with weights frozen', (table) => {
    const rivals = planned.filter(
      ({ contender, answers }) => contender === 'pytorch' && answers.some((answer) => answer.table === table),
    );
    const tuned = rivals.filter(({ env }) => env?.MALLOC_TRIM_THRESHOLD_ !== undefined);
    const plain = rivals.filter(({ env }) => env?.MALLOC_TRIM_THRESHOLD_ === undefined);
    expect(tuned.map(({ variant }) => variant)).toContain(
      table === 'head' ? 'eager, tuned malloc' : 'nhwc, tuned malloc',
    );
    // The best that there may be: compiled where that is measured at all.
    const compiles = (jobs: Job[]) => jobs.some(({ variant }) => variant!.startsWith('compile'));
    expect(compiles(tuned)).toBe(compiles(plain));
    const freezes = rivals.some(({ env }) => env?.TORCHINDUCTOR_FREEZING === '1');
    expect(freezes).toBe(table.startsWith('inference'));
  });

  test('targets missed are listed below the tables', () => {
    const row = (median: number, met: boolean) => ({
      label: 'PyTorch',
      ratio: { median },
      target: { atLeast: 1.9, met },
    });
    const report = {
      ...{ date: '2026-01-02', sources: { commit: 'abc1234', date: null, dirty: false } },
      ...{ machine: { cpu: 'A', cores: 2, node: 'v20' }, versions: [], settings: { rounds: 1, threads: 2 } },
      ...{ skipped: [], failures: [], disturbed: 0 },
      tables: [
        { title: 'Training', rows: [row(1.86, false), { label: 'tuned' }] },
        { title: 'Prediction', rows: [row(2, true)] },
      ],
    };
    const lines = evaluate('rivals/remarks.mjs', `bench.remarks(${JSON.stringify(report)})`);
    expect(lines[0]).toBe('Measured on 2026-01-02, sources abc1234');
    expect(lines).toContain('Targets missed: 1 of 2: Training (1.86× of 1.9×)');
  });
});
