import { MarginCoreError } from '../../base/errors.js';
import { text } from '../../base/notation.js';
import { resolveData } from '../../data/index.js';
import { Model } from '../../model/model.js';
import { count, percent } from '../../report/format.js';
import { RUN_OPTION_GROUPS } from '../../training/options.js';
import { describeFlags, type FlagGroup, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { flagsOf } from '../flags.js';
import { interruptible } from '../interrupt.js';
import { MACHINE_FLAGS, type MachineFlags } from '../modelFlags.js';
import { prepareJson } from '../output.js';
import { expectSameClasses } from '../sameClasses.js';

const { data } = RUN_OPTION_GROUPS.data;

const FLAGS: readonly FlagGroup[] = [
  {
    title: 'Data',
    flags: flagsOf({ data: { ...data, help: 'a data set, of which the test images are scored' } }),
  },
  MACHINE_FLAGS,
  {
    title: 'Output',
    flags: [
      { name: 'json', to: 'json', value: text('FILE|-'), help: 'scores and confusion; - is standard output' },
    ],
  },
];

interface Parsed extends MachineFlags {
  model: string;
  data?: string;
  json?: string;
}

export const evaluateCommand: Command = {
  summary: 'score a saved model on test images',
  help: () =>
    [
      'usage: margincore evaluate MODEL [options]',
      '',
      'Scores a model that train --save wrote, or a checkpoint, on the test images of a data set.',
      describeFlags(FLAGS),
      '',
      'Example: margincore evaluate model.safetensors --data fashion-mnist',
    ].join('\n'),

  async run(argv) {
    const { model: path, data, json, ...machine } = parseFlags(FLAGS, argv, ['model']) as unknown as Parsed;
    const writeJson = json === undefined ? undefined : await prepareJson(json);
    const report = await interruptible(async (signal) => {
      const { test, name, classNames } = await resolveData(data);
      if (test === undefined) throw new MarginCoreError('INVALID_DATA', `${name} has no test images`);
      using model = await Model.load(path, { ...machine, signal });
      expectSameClasses(model.classNames, classNames);
      const evaluation = await model.evaluate(test, { confusion: json !== undefined, signal });
      return { data: name, images: test.labels.length, classNames: model.classNames, ...evaluation };
    });
    await writeJson?.(report);
    const { accuracy, loss, images } = report;
    if (json !== '-')
      console.log(`test accuracy ${percent(accuracy)}, loss ${loss.toFixed(4)}, of ${count(images)} images`);
    return 0;
  },
};
