import { isLeadingProcess } from '../../distributed/launcher.js';
import { lastCheckpoint } from '../../files/checkpointFolder.js';
import type { AngleReport } from '../../metrics/angles.js';
import { count, describeOptions, percent } from '../../report/format.js';
import { anglesSvg } from '../../report/svg/anglesSvg.js';
import { train } from '../../train.js';
import type { TrainResult } from '../../training/run.js';
import { describeFlags, parseFlags, UsageError } from '../arguments.js';
import type { Command } from '../command.js';
import { Interrupted, interruptible } from '../interrupt.js';
import { fileToWrite, prepareFile, prepareJson } from '../output.js';
import { TRAIN_FLAGS } from '../train/flags.js';
import { trainOptions } from '../train/options.js';

export const trainCommand: Command = {
  summary: 'train a classifier and report its test accuracy',
  help: () =>
    [
      'usage: margincore train [options]',
      '',
      'Trains a classifier on images and reports its accuracy on the test images.',
      describeFlags(TRAIN_FLAGS),
      '',
      'Example: margincore train --head arcface --m 0.5 --s 16 --embedding-size 128 --epochs 5',
    ].join('\n'),

  async run(argv) {
    const { json, svg, save, ...flags } = outputsOf(parseFlags(TRAIN_FLAGS, argv) as Outputs);
    const options = await trainOptions(flags);
    const writeJson = json === undefined ? undefined : await prepareJson(json);
    const writeSvg = svg === undefined ? undefined : await prepareFile(svg, '--svg');

    const target = save === undefined ? undefined : await fileToWrite(save, '--save');

    const result = await interruptible((signal) => train({ ...options, signal })).catch(async (error) => {
      if (error instanceof Interrupted) await sayWhatIsKept(options.checkpoint);
      throw error;
    });
    try {
      if (target !== undefined) await result.model.save(target);
      await writeJson?.(report(result));
      await writeSvg?.(picture(result));
    } finally {
      result.model.dispose();
    }
    // Where JSON has standard output, nothing else may be there.
    if (json !== '-' && result.rank === 0) console.log(describeResult(result));
    return 0;
  },
};

interface Outputs {
  json?: string;
  svg?: string;
  save?: string;
  distributed?: { together?: boolean };
}

/** Of several processes the first one writes. */
function outputsOf(flags: Outputs): Outputs {
  if (!flags.distributed?.together || isLeadingProcess()) return flags;
  const { json, svg, save, ...rest } = flags;
  return rest;
}

async function sayWhatIsKept(folder: string | undefined): Promise<void> {
  const last = folder === undefined ? undefined : await lastCheckpoint(folder);
  if (last !== undefined) console.error(`kept in ${last}: the same command with --resume goes on from there`);
}

/** What `--json` writes: everything but the model and the angles of the single samples. */
function report({ history, firstLoss, test, angles, options, notes, environment }: TrainResult) {
  return { history, firstLoss, test, angles: angles && meanAngles(angles), options, notes, environment };
}

function meanAngles({ ownCentreMean, nearestOtherCentreMean }: AngleReport) {
  return { ownCentreMean, nearestOtherCentreMean };
}

/** One line: standard error has told the rest. */
function describeResult({ test, angles }: TrainResult): string {
  if (test === undefined) return 'trained; the data has no test images to score';
  const accuracy = `test accuracy ${percent(test.accuracy)}`;
  if (angles === undefined) return accuracy;
  const { ownCentreMean, nearestOtherCentreMean } = angles;
  return (
    `${accuracy}, mean angle to the own class centre ${ownCentreMean.toFixed(1)}°, ` +
    `between nearest class centres ${nearestOtherCentreMean.toFixed(1)}°`
  );
}

function picture({ test, angles, options, model }: TrainResult): string {
  if (test === undefined || angles === undefined) {
    throw new UsageError('--svg needs data with test images of two or more classes');
  }
  const shown = ['m', 'm1', 'm2', 'm3', 's', 'alpha'];
  const given = Object.entries(options).filter(
    ([name, value]) => shown.includes(name) && value !== undefined,
  );
  const margin = describeOptions(Object.fromEntries(given));
  const { name, embeddingSize } = model.summary();
  return anglesSvg({
    ...angles,
    title: `${options.head}: angles of ${count(angles.own.length)} test embeddings`,
    subtitle: [
      ...(margin ? [margin] : []),
      `${name}, ${embeddingSize}-D embedding`,
      `test accuracy ${percent(test.accuracy)}`,
    ].join(' · '),
  });
}
