/** The code in the guides is run, as whoever follows them would type it: on small pictures, where the package is installed. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serve } from '../../examples/browser/serve.js';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { datasets, Gallery, Model, models, train } from '../../lib/index.js';
import { inChromium, testInChromium } from '../support/chromium.js';
import { linkPackage } from '../support/installedPackage.js';
import { unknownCommands } from '../support/namedCommands.js';
import { isThere } from '../support/ranks.js';
import { testWhere } from '../support/skip.js';
import { temporaryFolder } from '../support/temporaryFolder.js';
import { blocksOf, changed, compileIn, runProgram, runShell } from './docCode.js';
import { BROWSER, FACES, GPUS, GUIDES, type Guide, INSTALL, TRAIN } from './guides.js';

const LIMIT = 300_000;
const FOLDER = join(packageRoot(), 'docs/guides');
const inFolder = temporaryFolder();
const open = inChromium();
jest.setTimeout(LIMIT);

const textOf = ({ file }: Guide) => readFileSync(join(FOLDER, file), 'utf8');

interface Ran {
  /** What the program said, and then each block of commands that was run. */
  readonly outputs: readonly string[];
}

/** All TypeScript as one program, then the files, then the commands in their order. */
async function follow(guide: Guide): Promise<Ran> {
  linkPackage(inFolder(), guide.packages);
  await guide.prepare?.(inFolder());
  const blocks = blocksOf(changed(textOf(guide), guide.changes ?? []));
  const program = blocks.filter(({ language }) => language === 'ts').map(({ code }) => code);
  const outputs: string[] = [];
  if (program.length > 0) {
    expect(await compileIn(inFolder(), { 'program.ts': `export {};\n${program.join('\n')}` })).toBe('');
    outputs.push(outputOf(await runProgram(inFolder(), 'program.js')));
  }
  for (const { file, code } of blocks) if (file !== undefined) writeFileSync(inFolder(file), code);
  for (const { language, code } of blocks) {
    if (language === 'bash' && !isNotRun(guide, code))
      outputs.push(outputOf(await runShell(inFolder(), code)));
  }
  return { outputs };
}

function outputOf({ status, stdout, stderr }: Awaited<ReturnType<typeof runShell>>): string {
  if (status !== 0) throw new Error(`ended with ${status}: ${stdout}${stderr}`);
  return stdout;
}

const isNotRun = ({ notRun = {} }: Guide, code: string) =>
  Object.keys(notRun).some((beginning) => code.startsWith(beginning));

test('every guide is tested, and README leads to it', () => {
  expect(readdirSync(FOLDER).sort()).toEqual(GUIDES.map(({ file }) => file).sort());
  const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8');
  for (const { file } of GUIDES) expect(readme).toContain(`(docs/guides/${file})`);
});

describe.each(GUIDES.map((guide) => [guide.file, guide] as const))('%s', (_, guide) => {
  test('is short, and its code is of a kind that is run', () => {
    expect(textOf(guide).trimEnd().split('\n').length).toBeLessThanOrEqual(80);
    for (const { language, file } of blocksOf(textOf(guide))) {
      if (file === undefined) expect(['ts', 'bash']).toContain(language);
      else expect(['js', 'html']).toContain(language);
    }
    // Indented code would be run by nobody.
    expect(textOf(guide).replaceAll(/^```.*?^```$/gms, '')).not.toMatch(/^ {4}\S/m);
  });

  test('what is not run is there, and names commands that there are', async () => {
    const shell = blocksOf(textOf(guide)).filter(({ language }) => language === 'bash');
    for (const beginning of Object.keys(guide.notRun ?? {}))
      expect([beginning, shell.filter(({ code }) => code.startsWith(beginning)).length]).toEqual([
        beginning,
        1,
      ]);
    expect(await unknownCommands(shell.map(({ code }) => code).join(''))).toEqual([]);
  });

  test('its links lead somewhere', () => {
    for (const [, path, anchor] of textOf(guide).matchAll(/\]\(([^)#:]+)(#[^)]+)?\)/g)) {
      const target = join(FOLDER, path!);
      if (anchor === undefined) expect([path, existsSync(target)]).toEqual([path, true]);
      else expect(headings(readFileSync(target, 'utf8'))).toContain(anchor.slice(1));
    }
  });
});

/** As a page of GitHub names them. */
const headings = (markdown: string) =>
  Array.from(markdown.matchAll(/^#+ (.*)$/gm), ([, title]) =>
    title!
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  );

test(TRAIN.file, async () => {
  const { outputs } = await follow(TRAIN);
  const [program, inspected, commands] = outputs as [string, string, string];
  expect(program).toContain("[ 'cat', 'dog', 'fox', 'owl' ] 44 4");
  expect(program).toMatch(/^owl [\d.]+$/m);
  expect(inspected).toContain('photos: 4 classes, 44 training images, 4 test images');
  expect(commands).toMatch(/^new\.jpg: owl /m);
  expect(readFileSync(inFolder('mistakes.html'), 'utf8')).toMatch(/^<!doctype html>/i);
  expect(readFileSync(inFolder('photos.html'), 'utf8')).toMatch(/^<!doctype html>/i);
});

test(FACES.file, async () => {
  const { outputs } = await follow(FACES);
  const [program, commands] = outputs as [string, string];
  expect(program).toMatch(/^\[ \{ name: 'Ada', cosine: 0?[.\d]+ \} \] \[/m);
  expect(Number(/accuracy ([\d.]+) ±/.exec(program)?.[1])).toBeGreaterThan(0.5);
  expect(commands).toMatch(/^door\.jpg: Ada /m);
  expect(commands).toMatch(/^passport\.jpg door\.jpg: cosine /m);
  expect(commands).toContain('4 pairs of the same, 4 of different ones');
  // From the files that were written: the same answers as the program's.
  const model = await Model.load(inFolder('faces.safetensors'));
  const gallery = await Gallery.load(inFolder('staff.gallery'), { model });
  expect(gallery.names).toEqual(['Ada', 'Grace']);
  const [door] = await gallery.identify(inFolder('door.jpg'));
  expect(door!.matches.map(({ name }) => name)).toEqual(['Ada']);
  const { cosines } = await model.verify(inFolder('passport.jpg'), inFolder('door.jpg'));
  expect(Number(/^(-?[\d.]+) (?:true|false)$/m.exec(program)?.[1])).toBeCloseTo(cosines[0]!, 4);
  gallery.dispose();
  model.dispose();
});

testInChromium(BROWSER.file, async () => {
  await BROWSER.prepare!(inFolder());
  const { model } = await train({
    ...{
      data: await datasets.imageFolder(inFolder('photos'), { size: 64, cache: false }),
      head: 'arcface',
      s: 16,
    },
    ...{ model: models.resnet18({ imageSize: 64, width: 0.25 }), epochs: 3, batchSize: 8, device: 'cpu' },
  });
  await model.save(inFolder('photos.safetensors'));
  const { outputs } = await follow({ ...BROWSER, prepare: async () => {} });
  expect(JSON.parse(outputs[0]!)).toEqual({ size: [64, 64, 3], names: model.classNames });
  // The names in the page are those.
  expect(textOf(BROWSER)).toContain(`['${model.classNames.join("', '")}']`);

  const site = await serve(inFolder('site'), 0);
  try {
    for (const [picture, digits] of [
      ['new.png', 4],
      ['large.png', 1],
    ] as const) {
      const { page, complaints } = await open(site.url);
      await page.setInputFiles('input', inFolder(picture));
      const shown = await page.locator('output:not(:empty)').textContent();
      const [name, probability] = shown!.split(' ');
      const { labels, probabilities } = await model.predict(inFolder(picture));
      expect([picture, name]).toEqual([picture, model.classNames[labels[0]!]]);
      expect(Number(probability)).toBeCloseTo(probabilities[labels[0]!]!, digits);
      expect(complaints.filter((text) => !text.includes('404'))).toEqual([]); // there is no favicon
    }
  } finally {
    await site.close();
  }
  model.dispose();
});

testWhere(isThere('openmpi'), 'no Open MPI')(GPUS.file, async () => {
  const { outputs } = await follow(GPUS);
  const [doctor, command, program] = outputs as [string, string, string];
  expect(doctor).toMatch(/openmpi +mpirun\.openmpi/);
  expect(command.match(/^test accuracy /gm)).toHaveLength(1);
  expect(program).toMatch(/^test accuracy [\d.]+\n$/);
  for (const file of ['many.safetensors', 'people.safetensors']) {
    const model = await Model.load(inFolder(file));
    expect(model.classNames).toEqual(['a', 'b', 'c', 'd']);
    model.dispose();
  }
});

test(INSTALL.file, async () => {
  const { outputs } = await follow(INSTALL);
  expect(outputs).toHaveLength(2);
  expect(outputs[0]).toContain('margincore can train here.');
  expect(outputs[1]).toMatch(/^test accuracy [\d.]+ %/m);
});

describe('what would be wrong is seen', () => {
  test('code that does not compile, a command that fails, a change of what is not there', async () => {
    linkPackage(inFolder());
    const code = "import { train } from 'margincore';\nawait train({ head: 'arcfaec' });\n";
    expect(await compileIn(inFolder(), { 'program.ts': code })).toContain('arcfaec');
    await expect(runShell(inFolder(), 'npx margincore docter | cat\n').then(outputOf)).rejects.toThrow(
      'ended with 2',
    );
    expect(() => changed('epochs: 30', [{ from: 'epochs: 20', to: '', because: '' }])).toThrow('epochs: 20');
  });

  test('a block that is a file is known by its first line', () => {
    const text =
      '```js\n// page.js\nlet a;\n```\n\n```ts\n// a comment of two words.\n```\n\n```bash\nls\n```\n';
    expect(blocksOf(text).map(({ language, file }) => [language, file])).toEqual([
      ['js', 'page.js'],
      ['ts', undefined],
      ['bash', undefined],
    ]);
  });
});
