/** docs/options.md, made of the option tables. */
import { join } from 'node:path';
import { describeDefault, type Option, type OptionTable, type Variants } from '../../lib/base/optionTable.js';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { CIFAR_100_OPTIONS } from '../../lib/data/formats/cifar.js';
import { EMNIST_OPTIONS } from '../../lib/data/formats/emnist.js';
import { IMAGE_FOLDER_OPTIONS } from '../../lib/data/formats/imageFolder.js';
import { PICTURE_LIST_OPTIONS } from '../../lib/data/formats/pictureListFile.js';
import { PICTURE_OPTIONS } from '../../lib/data/pictures/options.js';
import { HEAD_NAMES } from '../../lib/heads/resolve.js';
import { COMMON_OPTIONS, HEADS } from '../../lib/heads/table.js';
import { EMBEDDING_OPTIONS, IMAGE_MODEL_OPTIONS } from '../../lib/networks/imageModel.js';
import { INIT_RULES } from '../../lib/networks/init.js';
import { L_SOFTMAX_NET_OPTIONS } from '../../lib/networks/lSoftmaxNet.js';
import { VGG_OPTIONS } from '../../lib/networks/vgg.js';
import { SCHEDULES } from '../../lib/schedules/learningRate.js';
import { OPTIMIZERS } from '../../lib/training/optimizers.js';
import { RUN_OPTION_GROUPS } from '../../lib/training/options.js';
import { SAMPLERS } from '../../lib/training/samplers/options.js';
import { markdownTable } from './markdownTable.js';

export const FILE = join(packageRoot(), 'docs/options.md');

const TITLES = {
  data: 'Data and network',
  training: 'Training',
  keeping: 'Keeping a run',
  machine: 'Machine',
  output: 'Output',
} as const;

const INIT_TEXT =
  'How the weights of `conv2d` and `linear` start. `sequential([…], { init })` says it for all of its layers (default\n' +
  "`'fanInUniform'`), a layer's own `init` for that one. Biases start at 0, but for `'pytorch'`. A convolution's fanIn is\n" +
  'kernel height × width × input channels of one group, its fanOut kernel height × width × output channels.';

const DATA_TEXT =
  'Options of `datasets.imageFolder(path, options)` and its like, or of `data: { path, … }`. `margincore train` and `margincore data` have\n' +
  'them as flags, `seed`, `root` and `split` as `--data-seed`, `--data-root` and `--emnist-split`.';

/** Without those that all pictures have. */
const own = (options: OptionTable): OptionTable =>
  Object.fromEntries(Object.entries(options).filter(([name]) => !Object.hasOwn(PICTURE_OPTIONS, name)));

export function optionDocs(): string {
  const groups = Object.entries(RUN_OPTION_GROUPS).map(
    ([group, options]) => `## ${TITLES[group as keyof typeof TITLES]}\n\n${table(options)}`,
  );
  return `${[
    '# Options',
    '`train(options)` takes all of these in one object, and the command line as flags in kebab-case. Made of the option\ntables by `npm run docs`; types and details are in the declarations, which an editor shows.',
    ...groups,
    '## Data in files',
    DATA_TEXT,
    sets({
      'imageFolder, pictureList, tinyImageNet': PICTURE_OPTIONS,
      imageFolder: own(IMAGE_FOLDER_OPTIONS),
      pictureList: own(PICTURE_LIST_OPTIONS),
      cifar100: CIFAR_100_OPTIONS,
      emnist: EMNIST_OPTIONS,
    }),
    '## Heads',
    `\`head\` names one of those below (default softmax). Every head has these:\n\n${table(COMMON_OPTIONS)}`,
    'and its own:',
    sets(Object.fromEntries(HEAD_NAMES.map((name) => [name, HEADS[name].options])), (name) => [
      name,
      ...(HEADS[name as (typeof HEAD_NAMES)[number]].aliases ?? []),
    ]),
    '## Optimizer',
    sets(OPTIMIZERS),
    '## Sampler',
    sets(SAMPLERS),
    '## Schedules',
    sets(SCHEDULES),
    '## Models',
    sets({
      'vgg…': VGG_OPTIONS,
      'resnet…, resnext50, densenet121': IMAGE_MODEL_OPTIONS,
      lSoftmaxNet: L_SOFTMAX_NET_OPTIONS,
      'seedCnn, lenetPlusPlus': EMBEDDING_OPTIONS,
    }),
    '## Init',
    INIT_TEXT,
    markdownTable(
      ['', 'weights'],
      [
        ...Object.entries(INIT_RULES).map(([rule, what]) => [`\`'${rule}'\``, what]),
        ['`{ std }`', 'normal with that standard deviation'],
      ],
    ),
  ].join('\n\n')}\n`;
}

function table(options: OptionTable): string {
  return markdownTable(
    ['option', 'default', 'what'],
    Object.entries(options).flatMap(([name, option]) => [
      [`\`${name}\``, fallback(option), option.help],
      ...Object.entries(option.parts ?? {}).map(([part, each]) => [
        `\`${name}.${part}\``,
        fallback(each),
        each.help,
      ]),
    ]),
  );
}

/** One table for several sets of options: whose each is. */
function sets(variants: Variants, names: (set: string) => string[] = (set) => set.split(', ')): string {
  const cells = Object.entries(variants).flatMap(([set, options]) => {
    const whose = names(set)
      .map((name) => `\`${name}\``)
      .join(', ');
    return Object.entries(options).map(([name, option], index) => [
      index === 0 ? whose : '',
      `\`${name}\``,
      fallback(option),
      option.help,
    ]);
  });
  return markdownTable(['', 'option', 'default', 'what'], cells);
}

function fallback(option: Option): string {
  return option.required ? 'has to be given' : (describeDefault(option) ?? '–');
}
