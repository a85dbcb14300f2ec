import { integer, number } from '../../base/optionTable.js';
import { expectLaunched, isLeadingProcess } from '../../distributed/launcher.js';
import { placementOfRank } from '../../distributed/placement.js';
import { DistributedGallery } from '../../model/distributedGallery.js';
import { Gallery, type Identification } from '../../model/gallery.js';
import { placeNamed } from '../../native/backends.js';
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

const FLAGS: readonly FlagGroup[] = [
  {
    title: 'Decision',
    flags: flagsOf({
      top: integer('how many names of each picture at most', { default: 1, min: 1 }),
      threshold: number('the cosine that a match has at least', {
        min: -1,
        max: 1,
        defaultText: "the gallery's own",
      }),
    }),
  },
  {
    ...MACHINE_FLAGS,
    flags: [
      ...MACHINE_FLAGS.flags,
      {
        name: 'distributed',
        to: 'distributed',
        help: 'with the other processes of mpirun, of which each has a part of the gallery',
      },
    ],
  },
  { title: 'Output', flags: [jsonFlag()] },
];

interface Parsed extends MachineFlags, OutputFlags {
  model: string;
  gallery: string;
  pictures: string[];
  top?: number;
  threshold?: number;
  distributed?: boolean;
}

export const identifyCommand: Command = {
  summary: 'say whom pictures show, by a gallery',
  help: () =>
    [
      'usage: margincore identify MODEL GALLERY PICTURES… [options]',
      '',
      'Says of each picture (a file, or those of a folder) the nearest names of a gallery that margincore enrol made.',
      describeFlags(FLAGS),
      '',
      'Example: margincore identify model.safetensors staff.gallery door.jpg --threshold 0.42',
    ].join('\n'),

  async run(argv) {
    const parsed = parseFlags(FLAGS, argv, ['model', 'gallery', 'pictures…']) as unknown as Parsed;
    const { model: path, gallery: file, pictures, top, threshold, distributed, ...given } = parsed;
    const flags = distributed ? await ofRank(given) : given;
    const load = distributed ? DistributedGallery.load : Gallery.load;
    return withModel(
      path,
      flags,
      async (model, signal) => {
        using gallery = await load(file, { model, ...placeOf(flags), signal });
        return await gallery.identify(pictures, {
          ...(top !== undefined && { top }),
          ...(threshold !== undefined && { threshold }),
          signal,
        });
      },
      (found) => (!distributed || isLeadingProcess() ? found.map(line) : []),
    );
  },
};

/** Its part of the machine; of several processes the first one writes. */
async function ofRank({ device = 'auto', threads, json, ...rest }: MachineFlags & OutputFlags) {
  expectLaunched(process.env);
  const place = placeNamed(await placementOfRank(device, threads));
  return { ...rest, ...place, ...(json !== undefined && isLeadingProcess() && { json }) };
}

function line({ file, matches }: Identification): string {
  const shown = matches.map(({ name, cosine }) => `${name} (cosine ${cosine.toFixed(2)})`);
  return `${file}: ${shown.join(', ') || 'unknown'}`;
}
