import { text } from '../../base/notation.js';
import { integer } from '../../base/optionTable.js';
import { type DataInspection, inspectData, LoadingProgress } from '../../data/index.js';
import { packData } from '../../data/pack.js';
import { picturesToShow } from '../../data/picturesToShow.js';
import { dataSheetPage, type ShownClass, urisOf, urisOfFiles } from '../../report/dataSheet.js';
import { count } from '../../report/format.js';
import { showing } from '../../report/progress/stageLine.js';
import { describeFlags, type FlagGroup, parseFlags, UsageError } from '../arguments.js';
import type { Command } from '../command.js';
import { DATA_FLAGS, SIZE_FLAGS } from '../data/flags.js';
import { flagsOf } from '../flags.js';
import { jsonFlag, type OutputFlags, reporting } from '../modelFlags.js';
import { fileToWrite, prepareFile } from '../output.js';

const FLAGS: readonly FlagGroup[] = [
  { title: 'Data in files', flags: [...DATA_FLAGS, ...SIZE_FLAGS] },
  {
    title: 'Output',
    flags: [
      {
        name: 'output',
        to: 'output',
        value: text('FILE'),
        help: 'inspect: a page with some images of each class; pack: the packed file, which has to be given',
      },
      ...flagsOf({ perClass: integer('images of each class on the page', { default: 8, min: 1 }) }),
      jsonFlag('inspect: all that was found'),
    ],
  },
];

interface Parsed extends OutputFlags {
  action: string;
  data: string;
  dataOptions?: Record<string, unknown>;
  output?: string;
  perClass?: number;
}

export const dataCommand: Command = {
  summary: 'look at a data set, or pack it into one file',
  help: () =>
    [
      'usage: margincore data inspect DATA [options]',
      '       margincore data pack DATA --output FILE [options]',
      '',
      'inspect reads all of a data set, a name or a path, and tells its classes, sizes, duplicates, and every picture that is broken: the',
      'exit status is 1 where one is. pack writes its images, decoded, into a file that training takes as --data, and that may be',
      'larger than memory.',
      describeFlags(FLAGS),
      '',
      'Example: margincore data inspect photos/ --output photos.html',
    ].join('\n'),

  run(argv) {
    const parsed = parseFlags(FLAGS, argv, ['action', 'data']) as unknown as Parsed;
    if (parsed.action === 'inspect') return inspect(parsed);
    if (parsed.action === 'pack') return pack(parsed);
    throw new UsageError(`expected inspect or pack, found '${parsed.action}'`);
  },
};

async function inspect({ data, dataOptions, output, perClass = 8, json }: Parsed): Promise<number> {
  const writePage = output === undefined ? undefined : await prepareFile(output, '--output');
  let isBroken = false;
  await reporting(
    json,
    async (signal) => {
      const progress = new LoadingProgress();
      const loading = { progress, signal, ...(dataOptions && { options: dataOptions }) };
      const found = await showing('reading images', inspectData(data, loading), () => progress.fraction);
      isBroken = found.broken.length > 0;
      if (writePage !== undefined) {
        await writePage(dataSheetPage(found, await shownClasses(data, found, { ...loading, perClass })));
      }
      return found;
    },
    lines,
  );
  return isBroken ? 1 : 0;
}

async function shownClasses(
  data: string,
  { broken }: DataInspection,
  { perClass, ...loading }: Parameters<typeof picturesToShow>[2] & { signal: AbortSignal },
): Promise<ShownClass[]> {
  const shown: ShownClass[] = [];
  const isBroken = new Set(broken.map(({ file }) => file));
  for (const { label, ...source } of await picturesToShow(data, isBroken, { ...loading, perClass })) {
    const pictures =
      'files' in source
        ? await urisOfFiles(source.files, loading.signal)
        : await urisOf(source.images, source.samples, loading.signal);
    shown.push({ label, pictures });
  }
  return shown;
}

async function pack({ data, dataOptions, output, json }: Parsed): Promise<number> {
  if (output === undefined) throw new UsageError('pack needs --output FILE');
  const file = await fileToWrite(output, '--output');
  return reporting(
    json,
    async (signal) => {
      const progress = new LoadingProgress();
      const loading = { progress, signal, ...(dataOptions && { options: dataOptions }) };
      await showing('reading images', packData(data, file, loading), () => progress.fraction);
      return { data, file };
    },
    () => [`${data} is packed into ${output}: train with --data ${output}`],
  );
}

/** Classes, duplicates and broken pictures that are listed. */
const LISTED = 20;

function lines({ name, images, classes, sizes, duplicates, broken, notes }: DataInspection): string[] {
  const some = <T>(all: readonly T[], line: (each: T) => string) => [
    ...all.slice(0, LISTED).map((each) => `  ${line(each)}`),
    ...(all.length > LISTED ? [`  and ${count(all.length - LISTED)} more: --json has all`] : []),
  ];
  const heading = (title: string, all: readonly unknown[]) => (all.length === 0 ? [] : [title]);
  return [
    `${name}: ${count(classes.length)} classes, ${count(images.train)} training images, ${count(images.test)} test images`,
    ...some(classes, (each) => `${each.name}: ${count(each.train)} training, ${count(each.test)} test`),
    ...heading('height × width:', sizes),
    ...some(sizes, (each) => `${each.height} × ${each.width}: ${count(each.images)}`),
    ...heading(`the same content, ${count(duplicates.length)} times:`, duplicates),
    ...some(duplicates, (same) => same.join(' = ')),
    // All of them: that is what the command is for.
    ...heading(`broken, ${count(broken.length)}:`, broken),
    ...broken.map(({ reason }) => `  ${reason}`),
    ...notes.map(({ message }) => `note: ${message}`),
  ];
}
