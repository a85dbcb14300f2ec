import { text } from '../../base/notation.js';
import { integer, optionValues } from '../../base/optionTable.js';
import { resolveData } from '../../data/index.js';
import { allOf, spreadOf } from '../../data/samples.js';
import { writeAside } from '../../files/writeAside.js';
import { PLACEMENT_OPTIONS } from '../../native/backends.js';
import { augmentedPicture } from '../../report/augmentedPicture.js';
import { count as grouped } from '../../report/format.js';
import { RUN_OPTION_GROUPS } from '../../training/options.js';
import { describeFlags, type FlagGroup, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { flagsOf } from '../flags.js';
import { interruptible } from '../interrupt.js';
import { fileToWrite } from '../output.js';

const { data, augment } = RUN_OPTION_GROUPS.data;
const { seed } = RUN_OPTION_GROUPS.training;
const OUTPUT = 'augmented.png';

const OPTIONS = {
  data: { ...data, help: 'a data set' },
  augment,
  count: integer('how many images, evenly spread over the training images', {
    default: 64,
    min: 1,
    max: 1024,
  }),
  seed,
  epoch: integer('of training, counted from 1', { default: 1, min: 1, max: 2 ** 31 }),
  ...PLACEMENT_OPTIONS,
} as const;

const FLAGS: readonly FlagGroup[] = [
  { title: 'Options', flags: flagsOf(OPTIONS) },
  {
    title: 'Output',
    flags: [{ name: 'output', to: 'output', value: text('FILE'), help: `the picture (default: ${OUTPUT})` }],
  },
];

export const augmentCommand: Command = {
  summary: 'draw training images as augmentation changes them',
  help: () =>
    [
      'usage: margincore augment [options]',
      '',
      'Writes a PNG file with training images as the steps of an epoch see them.',
      describeFlags(FLAGS),
      '',
      'Example: margincore augment --data fashion-mnist --augment crop=4,flip --output augmented.png',
    ].join('\n'),

  async run(argv) {
    const { output = OUTPUT, ...given } = parseFlags(FLAGS, argv) as { output?: string };
    const { data, count, epoch, ...options } = optionValues(OPTIONS, given);
    const target = await fileToWrite(output, '--output');
    const shown = await interruptible(async (signal) => {
      const samples = spreadOf(allOf((await resolveData(data)).train), count);
      const picture = await augmentedPicture(samples, { ...options, epoch: epoch - 1, signal });
      await writeAside(target, async (file) => {
        await file.writeFile(picture);
      });
      return samples.numbers.length;
    });
    console.log(`${grouped(shown)} training images of epoch ${epoch} in ${output}`);
    return 0;
  },
};
