/** A gallery's file: safetensors with the embeddings, and in its metadata whose they are. */
import { checkInteger, checkNumber, checkText } from '../base/check.js';
import { invalidOption } from '../base/errors.js';
import { type Checked, checkOptions, option } from '../base/optionTable.js';
import { writeSafetensors } from '../files/safetensors.js';
import { corruptFile, type Part, type TensorFile, usingFile } from '../files/tensorFile.js';
import { believing, metadataFor, readMetadata } from './modelFile.js';
import { PICTURES, type Probe } from './probe.js';
import { finiteFloats } from './weights.js';

const DESCRIPTION = 'gallery';
const EMBEDDINGS = 'embeddings';
const PROBE = 'probe';

const PARTS = {
  names: option('', checkList(checkText), { required: true }),
  /** Of each embedding: the number of its name. */
  rows: option('', checkList(checkInteger), { required: true }),
  threshold: option('', (value, name) => checkNumber(value, name, { min: -1, max: 1 }), { required: true }),
} as const;

export async function writeGallery(
  path: string,
  gallery: {
    /** Each once */
    readonly names: readonly string[];
    readonly nameOfRow: readonly string[];
    readonly threshold: number;
    readonly size: number;
    readonly embeddings: () => Promise<Float32Array>;
    readonly probe: Probe | undefined;
  },
): Promise<void> {
  const { names, nameOfRow, threshold, size, embeddings, probe } = gallery;
  const numbers = new Map(names.map((name, number) => [name, number]));
  const rows = nameOfRow.map((name) => numbers.get(name)!);
  const tensor = (name: string, count: number, values: () => Promise<Float32Array>) => ({
    ...{ name, shape: [count, size], dtype: 'F32' as const, values: async () => [await values()] },
  });
  const tensors = [
    tensor(EMBEDDINGS, rows.length, embeddings),
    ...(probe === undefined ? [] : [tensor(PROBE, PICTURES, async () => probe)]),
  ];
  await writeSafetensors(path, tensors, metadataFor(DESCRIPTION, { names, rows, threshold }));
}

export interface GalleryContent {
  /** (N, size), row-major: those that were asked for. */
  readonly embeddings: Float32Array;
  readonly size: number;
  /** Each once */
  readonly names: readonly string[];
  /** Of each name, in their order: how many embeddings the file has. */
  readonly counts: readonly number[];
  /** (N) */
  readonly nameOfRow: readonly string[];
  readonly threshold: number;
  readonly probe: Probe | undefined;
}

/**
 * Rejects with FILE_NOT_FOUND, FILE_CORRUPT, NEWER_VERSION.
 * @param partOf Which of so many embeddings are wanted. Default: all.
 */
export function readGallery(
  path: string,
  signal?: AbortSignal,
  partOf: (count: number) => Part = (count) => ({ first: 0, count }),
): Promise<GalleryContent> {
  return usingFile(path, async (file) => {
    const { names, rows, threshold } = checkedDescription(file);
    const [count, size] = matrixOf(file, EMBEDDINGS);
    if (rows.length !== count) {
      throw corruptFile(path, `it says the names of ${rows.length} embeddings, and has ${count}`);
    }
    if (new Set(names).size !== names.length) throw corruptFile(path, 'a name stands in it twice');
    const hasProbe = file.tensors.has(PROBE);
    if (hasProbe && String(matrixOf(file, PROBE)) !== String([PICTURES, size])) {
      throw corruptFile(path, `the tensor '${PROBE}' has another shape than [${PICTURES}, ${size}]`);
    }
    const counts = new Array<number>(names.length).fill(0);
    for (const [row, number] of rows.entries()) {
      if (names[number] === undefined) throw corruptFile(path, `embedding ${row} has no name`);
      counts[number]! += 1;
    }
    if (counts.includes(0)) throw corruptFile(path, 'a name in it has no embedding');
    await file.verify(signal);
    const part = partOf(count);
    return {
      embeddings: await directions(file, part, size, signal),
      ...{ size, names, counts },
      nameOfRow: rows.slice(part.first, part.first + part.count).map((number) => names[number]!),
      threshold,
      probe: hasProbe ? await finiteFloats(file, PROBE, signal) : undefined,
    };
  });
}

function checkedDescription(file: TensorFile): Checked<typeof PARTS> {
  const json = readMetadata(file, DESCRIPTION);
  return believing(file, () => checkOptions(json, DESCRIPTION, PARTS));
}

function matrixOf(file: TensorFile, name: string): [number, number] {
  const shape = file.tensors.get(name)?.shape;
  if (shape?.length === 2 && shape[1]! > 0) return [shape[0]!, shape[1]!];
  throw corruptFile(file.path, `it has no tensor '${name}' of the shape [N, D]`);
}

async function directions(
  file: TensorFile,
  { first, count }: Part,
  size: number,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const values = await finiteFloats(file, EMBEDDINGS, signal, { first: first * size, count: count * size });
  for (let row = 0; row < count; row++) {
    const begin = row * size;
    let axis = 0;
    while (axis < size && values[begin + axis] === 0) axis++;
    if (axis === size) throw corruptFile(file.path, `embedding ${first + row} is zero`);
  }
  return values;
}

function checkList<T>(check: (value: unknown, name: string) => T) {
  return (value: unknown, name: string): T[] => {
    if (!Array.isArray(value)) throw invalidOption(name, 'a list', value);
    return value.map((each, index) => check(each, `${name}[${index}]`));
  };
}
