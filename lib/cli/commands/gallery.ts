import { MarginCoreError } from '../../base/errors.js';
import { text } from '../../base/notation.js';
import { number } from '../../base/optionTable.js';
import { Gallery } from '../../model/gallery.js';
import { count } from '../../report/format.js';
import { describeFlags, type FlagGroup, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { flagsOf } from '../flags.js';
import { jsonFlag, type OutputFlags, reporting } from '../modelFlags.js';
import { fileToWrite } from '../output.js';

const FLAGS: readonly FlagGroup[] = [
  {
    title: 'Changes',
    flags: [
      { name: 'remove', to: 'remove', value: text('NAME'), help: 'forget all embeddings of a name' },
      ...flagsOf({ threshold: number('the cosine that identify asks for', { min: -1, max: 1 }) }),
    ],
  },
  { title: 'Output', flags: [jsonFlag()] },
];

interface Parsed extends OutputFlags {
  gallery: string;
  remove?: string;
  threshold?: number;
}

export const galleryCommand: Command = {
  summary: 'list a gallery, or take a name out of it',
  help: () =>
    [
      'usage: margincore gallery GALLERY [options]',
      '',
      'Lists the names of a gallery that margincore enrol made, with the number of their embeddings.',
      describeFlags(FLAGS),
      '',
      'Example: margincore gallery staff.gallery --remove Ada',
    ].join('\n'),

  run(argv) {
    const parsed = parseFlags(FLAGS, argv, ['gallery']) as unknown as Parsed;
    const { gallery: file, remove, threshold, json } = parsed;
    const isChanged = remove !== undefined || threshold !== undefined;
    return reporting(
      json,
      async (signal) => {
        const target = isChanged ? await fileToWrite(file, 'GALLERY') : file;
        const options = { device: 'cpu', signal } as const;
        using gallery = await (isChanged ? Gallery.open(target, options) : Gallery.load(target, options));
        if (remove !== undefined && (await gallery.remove(remove)) === 0) throw unknown(remove, gallery);
        if (threshold !== undefined) gallery.threshold = threshold;
        if (isChanged) await gallery.save(target, { signal });
        const names = gallery.names.map((name) => ({ name, count: gallery.count(name) }));
        return { threshold: gallery.threshold, embeddings: gallery.count(), names };
      },
      ({ names, threshold: kept, embeddings }) => [
        ...names.map((each) => `${each.name}: ${count(each.count)}`),
        `${count(names.length)} names, ${count(embeddings)} embeddings, threshold ${kept}`,
      ],
    );
  },
};

function unknown(name: string, gallery: Gallery): MarginCoreError {
  const names = gallery.names.slice(0, 20).join(', ');
  return new MarginCoreError('INVALID_OPTION', `The gallery has no '${name}'; it has ${names || 'no names'}`);
}
