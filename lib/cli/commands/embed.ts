import { text } from '../../base/notation.js';
import { flag } from '../../base/optionTable.js';
import { writeSafetensors } from '../../files/safetensors.js';
import type { Embeddings } from '../../metrics/embeddings.js';
import { describeFlags, type FlagGroup, parseFlags } from '../arguments.js';
import type { Command } from '../command.js';
import { flagsOf } from '../flags.js';
import { jsonFlag, MACHINE_FLAGS, type MachineFlags, type OutputFlags, withModel } from '../modelFlags.js';
import { fileToWrite } from '../output.js';

const FLAGS: readonly FlagGroup[] = [
  MACHINE_FLAGS,
  {
    title: 'Output',
    flags: [
      ...flagsOf({
        normalize: flag('divide each by its L2 norm', { defaultText: 'where the head compares angles' }),
      }),
      {
        name: 'save',
        to: 'save',
        value: text('FILE'),
        help: "a safetensors file instead: tensor 'embeddings' (N, D), the files' names as JSON in its metadata",
      },
      jsonFlag(),
    ],
  },
];

interface Parsed extends MachineFlags, OutputFlags {
  model: string;
  pictures: string[];
  normalize?: boolean;
  save?: string;
}

export const embedCommand: Command = {
  summary: 'print the embeddings of pictures, or save them',
  help: () =>
    [
      'usage: margincore embed MODEL PICTURES… [options]',
      '',
      'Prints for each picture (a file, or those of a folder) its name and the numbers of its embedding, as CSV.',
      describeFlags(FLAGS),
      '',
      'Example: margincore embed model.safetensors photos/ --save photos.safetensors',
    ].join('\n'),

  async run(argv) {
    const parsed = parseFlags(FLAGS, argv, ['model', 'pictures…']) as unknown as Parsed;
    const { model: path, pictures, normalize, save, ...flags } = parsed;
    const target = save === undefined ? undefined : await fileToWrite(save, '--save');
    return await withModel(
      path,
      flags,
      async (model, signal) => {
        const options = { signal, ...(normalize !== undefined && { normalize }) };
        const embeddings = await model.embed(pictures, options);
        if (target !== undefined) await saveEmbeddings(target, embeddings);
        return embeddings;
      },
      (embeddings) => (target === undefined ? csv(embeddings) : []),
    );
  },
};

async function saveEmbeddings(path: string, { data, shape, files = [] }: Embeddings): Promise<void> {
  const tensor = { name: 'embeddings', shape, dtype: 'F32' as const, values: async () => [data] };
  await writeSafetensors(path, [tensor], { files: JSON.stringify(files) });
}

function csv({ data, shape: [, size], files = [] }: Embeddings): string[] {
  return files.map((file, index) =>
    [quoted(file), ...Array.from(data.subarray(index * size, (index + 1) * size), shortest)].join(','),
  );
}

/** Nine digits tell any two numbers of fp32 apart. */
const shortest = (value: number) => Number(value.toPrecision(9));

const quoted = (field: string) => (/[",\n\r]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field);
