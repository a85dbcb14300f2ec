import { integer } from '../../base/optionTable.js';
import type { Prediction } from '../../model/model.js';
import { percent } from '../../report/format.js';
import { describeFlags, type FlagGroup, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { flagsOf } from '../flags.js';
import { jsonFlag, MACHINE_FLAGS, type MachineFlags, type OutputFlags, withModel } from '../modelFlags.js';

const TOP = integer('how many classes of each picture', { default: 3, min: 1 });

const FLAGS: readonly FlagGroup[] = [
  MACHINE_FLAGS,
  { title: 'Output', flags: [...flagsOf({ top: TOP }), jsonFlag()] },
];

interface Parsed extends MachineFlags, OutputFlags {
  model: string;
  pictures: string[];
  top?: number;
}

export const predictCommand: Command = {
  summary: 'say what is on pictures, with a saved model',
  help: () =>
    [
      'usage: margincore predict MODEL PICTURES… [options]',
      '',
      'Says of each picture (a file, or those of a folder) the most probable classes and, where the head has class centres,',
      'the cosine to them, which is low for what is of no class.',
      describeFlags(FLAGS),
      '',
      'Example: margincore predict model.safetensors photos/ new.jpg --top 1',
    ].join('\n'),

  run(argv) {
    const parsed = parseFlags(FLAGS, argv, ['model', 'pictures…']) as unknown as Parsed;
    const { model: path, pictures, top: given = TOP.default, ...flags } = parsed;
    const top = TOP.check(given, 'top');
    return withModel(
      path,
      flags,
      async (model, signal) => describe(await model.predict(pictures, { signal }), model.classNames, top),
      (found) => found.map(line),
    );
  },
};

interface Found {
  readonly file: string;
  readonly classes: readonly {
    readonly name: string;
    readonly probability: number;
    readonly cosine?: number;
  }[];
}

function describe(prediction: Prediction, classNames: readonly string[], top: number): Found[] {
  const { probabilities, cosines, numClasses, files = [] } = prediction;
  return files.map((file, index) => {
    const row = probabilities.subarray(index * numClasses, (index + 1) * numClasses);
    const order = Array.from(row.keys()).sort((a, b) => row[b]! - row[a]!);
    const classes = order.slice(0, top).map((label) => ({
      name: classNames[label]!,
      probability: row[label]!,
      ...(cosines && { cosine: cosines[index * numClasses + label]! }),
    }));
    return { file, classes };
  });
}

function line({ file, classes }: Found): string {
  const shown = classes.map(
    ({ name, probability, cosine }) =>
      `${name} ${percent(probability)}${cosine === undefined ? '' : ` (cosine ${cosine.toFixed(2)})`}`,
  );
  return `${file}: ${shown.join(', ')}`;
}
