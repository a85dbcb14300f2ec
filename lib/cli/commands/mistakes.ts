import { MarginCoreError } from '../../base/errors.js';
import { text } from '../../base/notation.js';
import { choice } from '../../base/optionTable.js';
import { resolveData } from '../../data/index.js';
import type { Dataset, Split } from '../../data/types.js';
import { CONTACT_SHEET_OPTIONS, contactSheet } from '../../report/contactSheet/contactSheet.js';
import { count, percent } from '../../report/format.js';
import { RUN_OPTION_GROUPS } from '../../training/options.js';
import { describeFlags, type FlagGroup, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { flagsOf } from '../flags.js';
import { jsonFlag, MACHINE_FLAGS, type MachineFlags, type OutputFlags, withModel } from '../modelFlags.js';
import { prepareFile } from '../output.js';
import { expectSameClasses } from '../sameClasses.js';

type SplitName = 'train' | 'test';

const { data } = RUN_OPTION_GROUPS.data;
const SPLITS: readonly SplitName[] = ['train', 'test'];
const WORDS: Readonly<Record<SplitName, string>> = { train: 'training', test: 'test' };
const OUTPUT = 'mistakes.html';

const FLAGS: readonly FlagGroup[] = [
  {
    title: 'Data',
    flags: flagsOf({
      data: { ...data, help: 'a data set' },
      split: choice('the images that are looked at', SPLITS, { default: 'test' }),
      among: choice('the images that neighbours are looked for among', SPLITS, { defaultText: 'as --split' }),
    }),
  },
  { title: 'Shown', flags: flagsOf(CONTACT_SHEET_OPTIONS) },
  MACHINE_FLAGS,
  {
    title: 'Output',
    flags: [
      {
        name: 'output',
        to: 'output',
        value: text('FILE'),
        help: `the page, which needs no other file (default: ${OUTPUT})`,
      },
      jsonFlag('the same without pictures'),
    ],
  },
];

interface Parsed extends MachineFlags, OutputFlags {
  model: string;
  data?: string;
  split?: SplitName;
  among?: SplitName;
  top?: number;
  neighbours?: number;
  output?: string;
}

export const mistakesCommand: Command = {
  summary: 'show what a saved model is most confidently wrong about',
  help: () =>
    [
      'usage: margincore mistakes MODEL [options]',
      '',
      'Writes a page with the images whose predicted class is the most confidently another than their label, and with the nearest',
      'other images by the cosine of their embeddings: an image among neighbours of another class may be labelled wrongly.',
      describeFlags(FLAGS),
      '',
      'Example: margincore mistakes model.safetensors --data fashion-mnist --split train',
    ].join('\n'),

  async run(argv) {
    const parsed = parseFlags(FLAGS, argv, ['model']) as unknown as Parsed;
    const { model: path, data, split = 'test', among = split, ...rest } = parsed;
    const { top, neighbours, output = OUTPUT, json, ...machine } = rest;
    const { precision: _, ...placement } = machine;
    const writePage = await prepareFile(output, '--output');
    return await withModel(
      path,
      { ...machine, ...(json !== undefined && { json }) },
      async (model, signal) => {
        const { input, preprocessing } = model;
        const dataset = await resolveData(data, { input, preprocessing, signal });
        expectSameClasses(model.classNames, dataset.classNames);
        const { html, ...sheet } = await contactSheet(model, splitOf(dataset, split), {
          ...{
            among: splitOf(dataset, among),
            signal,
            title: `Mistakes on ${dataset.name}, ${WORDS[split]} images`,
          },
          ...(top !== undefined && { top }),
          ...(neighbours !== undefined && { neighbours }),
          ...placement,
        });
        await writePage(html);
        return { data: dataset.name, split, among, classNames: model.classNames, ...sheet };
      },
      ({ accuracy, images, mistakes, mistakeCount }) => [
        `${WORDS[split]} accuracy ${percent(accuracy)} of ${count(images)} images; ${count(mistakes.length)} of ` +
          `${count(mistakeCount)} mistakes in ${output}`,
      ],
    );
  },
};

function splitOf({ name, train, test }: Dataset, split: SplitName): Split {
  const found = split === 'train' ? train : test;
  if (found === undefined) throw new MarginCoreError('INVALID_DATA', `${name} has no test images`);
  return found;
}
