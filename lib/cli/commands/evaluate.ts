import { MarginCoreError } from '../../base/errors.js';
import { flag } from '../../base/optionTable.js';
import { isDivided } from '../../data/formats/imageFolder.js';
import { resolveData } from '../../data/index.js';
import { classFolders, foldersIn } from '../../data/pictureFiles.js';
import type { Split } from '../../data/types.js';
import { type EmbeddingReportOptions, embeddingReport } from '../../metrics/embeddingReport.js';
import type { Model } from '../../model/model.js';
import type { ImagesInput } from '../../model/pictures.js';
import { count, percent } from '../../report/format.js';
import { RUN_OPTION_GROUPS } from '../../training/options.js';
import { describeFlags, type FlagGroup, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { classificationLines, type EmbeddingMeans, embeddingLines, meansOf } from '../evaluate/lines.js';
import { flagsOf } from '../flags.js';
import {
  jsonFlag,
  MACHINE_FLAGS,
  type MachineFlags,
  type OutputFlags,
  placeOf,
  withModel,
} from '../modelFlags.js';
import { expectSameClasses } from '../sameClasses.js';

const { data } = RUN_OPTION_GROUPS.data;

const FLAGS: readonly FlagGroup[] = [
  {
    title: 'Data',
    flags: flagsOf({
      data: {
        ...data,
        help: 'a data set, of which the test images are scored; or a folder with a folder of pictures for each class',
      },
    }),
  },
  {
    title: 'Measures',
    flags: flagsOf({
      embeddings: flag(
        'also how well embeddings tell the images’ classes apart, each compared with all others: k nearest neighbours, nearest ' +
          'centroid, R-precision, mAP@R, angles',
        { default: false },
      ),
    }),
  },
  MACHINE_FLAGS,
  {
    title: 'Output',
    flags: [jsonFlag('the same, every class and the confusion')],
  },
];

interface Parsed extends MachineFlags, OutputFlags {
  model: string;
  data?: string;
  embeddings?: boolean;
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

  run(argv) {
    const parsed = parseFlags(FLAGS, argv, ['model']) as unknown as Parsed;
    const { model: path, data: given, embeddings: areWanted, ...flags } = parsed;
    return withModel(
      path,
      flags,
      async (model, signal) => {
        const { name, split, images, labels } = await toScore(given, model);
        const wanted = { confusion: flags.json !== undefined, report: true, signal };
        const { report, ...evaluation } = await model.evaluate(split, wanted);
        const searching = { ...placeOf(flags), signal };
        const embeddings = areWanted ? await embeddingsOf(model, images, labels, searching) : undefined;
        return {
          ...{ data: name, images: labels.length, classNames: model.classNames },
          ...evaluation,
          report: report!,
          ...(embeddings && { embeddings }),
        };
      },
      ({ accuracy, loss, images, report, classNames, embeddings }) => [
        `test accuracy ${percent(accuracy)}, loss ${loss.toFixed(4)}, of ${count(images)} images`,
        ...classificationLines(report, classNames),
        ...(embeddings === undefined ? [] : embeddingLines(embeddings)),
      ],
    );
  },
};

async function embeddingsOf(
  model: Model,
  images: ImagesInput,
  labels: ArrayLike<number | string>,
  options: EmbeddingReportOptions & { signal: AbortSignal },
): Promise<EmbeddingMeans> {
  const embeddings = await model.embed(images, { normalize: true, signal: options.signal });
  return meansOf(await embeddingReport(embeddings, labels, options));
}

interface ToScore {
  readonly name: string;
  readonly split: Split | string;
  readonly images: ImagesInput;
  /** (images): classes by number, or by name */
  readonly labels: ArrayLike<number | string>;
}

/** A data set's test images, or a folder of folders. */
async function toScore(given: string | undefined, model: Model): Promise<ToScore> {
  const folders = given === undefined ? [] : await foldersIn(given).catch(() => []);
  if (given !== undefined && folders.length > 0 && !isDivided(folders)) {
    const classes = await classFolders(given);
    return {
      ...{ name: given, split: given },
      images: classes.flatMap(({ files }) => files),
      labels: classes.flatMap(({ name, files }) => files.map(() => name)),
    };
  }
  const { test, name, classNames } = await resolveData(given, {
    input: model.input,
    preprocessing: model.preprocessing,
  });
  if (test === undefined) throw new MarginCoreError('INVALID_DATA', `${name} has no test images`);
  expectSameClasses(model.classNames, classNames);
  return { name, split: test, images: test.images, labels: test.labels };
}
