/** Every option of `train()` as a flag, and what the command does with the result. */
import { text, word } from '../../base/notation.js';
import { PREPROCESSING } from '../../data/preprocessing.js';
import { DISTRIBUTED } from '../../distributed/options.js';
import { HEAD_NAMES, HEAD_WORDS } from '../../heads/resolve.js';
import { COMMON_OPTIONS, HEADS } from '../../heads/table.js';
import { RUN_OPTION_GROUPS } from '../../training/options.js';
import type { Flag, FlagGroup } from '../arguments.js';
import { DATA_FLAGS } from '../data/flags.js';
import { flagsOf, flagsOfSets } from '../flags.js';
import { RATE_FLAGS } from './learningRate.js';
import { NETWORK_FLAGS } from './network.js';

const HEAD_OPTIONS = Object.fromEntries(HEAD_NAMES.map((name) => [name, HEADS[name].options]));

/** That there are several processes, and how they train together. */
const RANK_FLAGS: readonly Flag[] = [
  { name: 'distributed', to: 'distributed.together', help: RUN_OPTION_GROUPS.machine.distributed.help },
  ...flagsOf(DISTRIBUTED, { to: 'distributed.' }),
];

export const TRAIN_FLAGS: readonly FlagGroup[] = [
  {
    title: 'Data and network',
    flags: flagsOf(RUN_OPTION_GROUPS.data, {
      instead: { model: NETWORK_FLAGS, preprocessing: flagsOf(PREPROCESSING, { to: 'preprocessing.' }) },
    }),
  },
  { title: 'Data in files', flags: DATA_FLAGS },
  {
    title: 'Head',
    flags: [
      { name: 'head', to: 'head', value: word(HEAD_WORDS), help: 'by name (default: softmax)' },
      ...flagsOfSets(HEAD_OPTIONS),
      ...flagsOf(COMMON_OPTIONS),
    ],
  },
  {
    title: 'Training',
    flags: flagsOf(RUN_OPTION_GROUPS.training, { instead: { learningRate: RATE_FLAGS } }),
  },
  {
    title: 'Keeping',
    flags: [
      ...flagsOf(RUN_OPTION_GROUPS.keeping),
      {
        name: 'save',
        to: 'save',
        value: text('FILE'),
        help: 'the trained model, to be evaluated and loaded',
      },
    ],
  },
  { title: 'Machine', flags: flagsOf(RUN_OPTION_GROUPS.machine, { instead: { distributed: RANK_FLAGS } }) },
  {
    title: 'Output',
    flags: [
      // Whoever types a command wants to see what it does, on a terminal or not.
      ...flagsOf({
        ...RUN_OPTION_GROUPS.output,
        progress: { ...RUN_OPTION_GROUPS.output.progress, defaultText: 'yes' },
      }),
      { name: 'json', to: 'json', value: text('FILE|-'), help: 'the whole result; - is standard output' },
      { name: 'svg', to: 'svg', value: text('FILE'), help: 'a picture of the angles between classes' },
    ],
  },
];
