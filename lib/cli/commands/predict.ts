import { NUMBER, text } from '../../base/notation.js';
import { Model, type Prediction } from '../../model/model.js';
import { percent } from '../../report/format.js';
import { describeFlags, type FlagGroup, parseFlags, UsageError } from '../arguments.js';
import type { Command } from '../command.js';
import { interruptible } from '../interrupt.js';
import { MACHINE_FLAGS, type MachineFlags } from '../modelFlags.js';
import { prepareJson } from '../output.js';

const FLAGS: readonly FlagGroup[] = [
  MACHINE_FLAGS,
  {
    title: 'Output',
    flags: [
      { name: 'top', to: 'top', value: NUMBER, help: 'how many classes of each picture (default: 3)' },
      { name: 'json', to: 'json', value: text('FILE|-'), help: 'the same as JSON; - is standard output' },
    ],
  },
];

interface Parsed extends MachineFlags {
  model: string;
  pictures: string[];
  top?: number;
  json?: string;
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

  async run(argv) {
    const parsed = parseFlags(FLAGS, argv, ['model', 'pictures…']) as unknown as Parsed;
    const { model: path, pictures, top = 3, json, ...machine } = parsed;
    if (!Number.isInteger(top) || top < 1)
      throw new UsageError(`--top needs a whole number from 1, not '${top}'`);
    const writeJson = json === undefined ? undefined : await prepareJson(json);
    const found = await interruptible(async (signal) => {
      using model = await Model.load(path, { ...machine, signal });
      return describe(await model.predict(pictures, { signal }), model.classNames, top);
    });
    await writeJson?.(found);
    if (json !== '-') for (const picture of found) console.log(line(picture));
    return 0;
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
