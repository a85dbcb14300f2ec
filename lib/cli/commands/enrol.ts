import { text } from '../../base/notation.js';
import { number } from '../../base/optionTable.js';
import { classFolders } from '../../data/pictureFiles.js';
import { Gallery } from '../../model/gallery.js';
import { count } from '../../report/format.js';
import { describeFlags, type FlagGroup, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { flagsOf } from '../flags.js';
import {
  jsonFlag,
  MACHINE_FLAGS,
  type MachineFlags,
  type OutputFlags,
  placeOf,
  withModel,
} from '../modelFlags.js';
import { fileToWrite } from '../output.js';

const FLAGS: readonly FlagGroup[] = [
  {
    title: 'Names',
    flags: [
      { name: 'name', to: 'name', value: text('NAME'), help: 'whom all the pictures show' },
      ...flagsOf({
        threshold: number('the cosine that identify asks for; kept with the gallery', { min: -1, max: 1 }),
      }),
    ],
  },
  MACHINE_FLAGS,
  { title: 'Output', flags: [jsonFlag()] },
];

interface Parsed extends MachineFlags, OutputFlags {
  model: string;
  gallery: string;
  pictures: string[];
  name?: string;
  threshold?: number;
}

interface Enrolled {
  readonly name: string;
  readonly added: number;
  /** Embeddings of that name */
  readonly count: number;
}

export const enrolCommand: Command = {
  summary: 'add known ones to a gallery',
  help: () =>
    [
      'usage: margincore enrol MODEL GALLERY PICTURES… [options]',
      '',
      'Adds the embeddings of pictures to the file GALLERY, which is made where it is not there; all of them, or none. Until',
      'that is done no other process can change GALLERY. Without --name PICTURES are folders that have a folder for each name.',
      describeFlags(FLAGS),
      '',
      'Examples: margincore enrol model.safetensors staff.gallery photos/',
      '          margincore enrol model.safetensors staff.gallery ada1.jpg ada2.jpg --name Ada',
    ].join('\n'),

  async run(argv) {
    const parsed = parseFlags(FLAGS, argv, ['model', 'gallery', 'pictures…']) as unknown as Parsed;
    const { model: path, gallery: file, pictures, name, threshold, ...flags } = parsed;
    const target = await fileToWrite(file, 'GALLERY');
    return await withModel(
      path,
      flags,
      async (model, signal) => {
        using gallery = await Gallery.open(target, { model, ...placeOf(flags), signal });
        if (threshold !== undefined) gallery.threshold = threshold;
        const enrolled = await enrolAll(gallery, await byName(pictures, name), signal);
        await gallery.save(target, { signal });
        return {
          threshold: gallery.threshold,
          names: gallery.names.length,
          embeddings: gallery.count(),
          enrolled,
        };
      },
      ({ names, enrolled }) => [
        ...enrolled.map((each) => `${each.name}: ${count(each.added)} more, ${count(each.count)} in all`),
        `${file}: ${count(names)} names`,
      ],
    );
  },
};

async function byName(pictures: readonly string[], name: string | undefined) {
  if (name !== undefined) return [{ name, files: pictures }];
  return (await Promise.all(pictures.map(classFolders))).flat();
}

async function enrolAll(
  gallery: Gallery,
  folders: readonly { readonly name: string; readonly files: readonly string[] }[],
  signal: AbortSignal,
): Promise<Enrolled[]> {
  const enrolled: Enrolled[] = [];
  for (const { name, files } of folders) {
    const added = await gallery.enrol(name, files, { signal });
    enrolled.push({ name, added, count: gallery.count(name) });
  }
  return enrolled;
}
