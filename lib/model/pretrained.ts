/** Weights that others trained, as the beginning of a network. */
import { turnEventLoop } from '../base/abort.js';
import { MarginCoreError } from '../base/errors.js';
import { type Note, note } from '../base/note.js';
import { type TensorFile, usingFile } from '../files/tensorFile.js';
import type { NativeSession } from '../native/contract.js';
import { awaitNative, callNative } from '../native/load.js';
import { isOurs } from './modelFile.js';
import { asItIs, pytorchNames } from './pytorchNames.js';
import { finiteFloats, isOfHead, OF_TRAINING } from './weights.js';

const HEAD = /^head\.(running_mean|running_var)$/;
/** What no network needs: counters of PyTorch's batch norms, and the last layers of torchvision's networks, which are heads. */
const NEEDLESS = [
  HEAD,
  OF_TRAINING,
  /(^|\.)num_batches_tracked$/,
  /^(fc|classifier|classifier\.6)\.(weight|bias)$/,
];
/** Names that a message has of a list. */
const SHOWN = 6;

/**
 * Writes what the file has of the network into an opened session. Returns what should be known of it: what is missing, and what is
 * left over. Rejects with WEIGHTS_MISMATCH where a tensor has another shape, or none fits at all.
 * @param input [H, W, C] of the images
 */
export async function loadPretrained(
  session: NativeSession,
  path: string,
  input: readonly number[],
  signal?: AbortSignal,
): Promise<Note[]> {
  return usingFile(path, async (file) => {
    if (file.hasChecksum) await file.verify(signal);
    const network = callNative(() => session.parameters()).filter(({ name }) => !isOfHead(name));
    const named = isOurs(file)
      ? network.map(({ name, shape }) => ({ ours: name, theirs: name, shape, ...asItIs }))
      : pytorchNames(input, session.summary.layers, network, 'head');
    const present = named.filter(({ theirs }) => file.tensors.has(theirs));
    const missing = named.filter(({ theirs }) => !file.tensors.has(theirs)).map(({ theirs }) => theirs);
    if (present.length === 0) throw mismatch(file, `it has none of the network's tensors, ${list(missing)}`);
    for (const { theirs, shape } of present) expectShape(file, theirs, shape);
    for (const { ours, theirs, toOurs } of present) {
      signal?.throwIfAborted();
      const found = await finiteFloats(file, theirs, signal);
      const values = await whole(toOurs(found), found.length, signal);
      await awaitNative(() => session.writeParameter(ours, values));
    }
    const known = new Set(named.map(({ theirs }) => theirs));
    const others = [...file.tensors.keys()].filter(
      (name) => !known.has(name) && !isOfHead(name) && !NEEDLESS.some((pattern) => pattern.test(name)),
    );
    return note('WEIGHTS_INCOMPLETE', describe(path, missing, others));
  });
}

/** The pieces as one array; the event loop turns between them. */
async function whole(
  pieces: Iterable<Float32Array>,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const result = new Float32Array(length);
  let end = 0;
  for (const piece of pieces) {
    result.set(piece, end);
    end += piece.length;
    if (end < length) await turnEventLoop(signal);
  }
  return result;
}

function expectShape(file: TensorFile, name: string, expected: readonly number[]): void {
  const found = file.tensors.get(name)!.shape;
  if (String(found) === String(expected)) return;
  throw mismatch(
    file,
    `its tensor '${name}' has shape [${found.join(', ')}], the network's [${expected.join(', ')}]`,
  );
}

function mismatch({ path }: TensorFile, what: string): MarginCoreError {
  return new MarginCoreError('WEIGHTS_MISMATCH', `${path} does not fit the network: ${what}`, {
    details: { path },
  });
}

function describe(path: string, missing: readonly string[], others: readonly string[]): string | undefined {
  const parts = [
    ...(missing.length > 0 ? [`it lacks ${list(missing)}, which start as without it`] : []),
    ...(others.length > 0 ? [`the network has no place for ${list(others)}`] : []),
  ];
  return parts.length === 0 ? undefined : `Weights of ${path}: ${parts.join('; ')}`;
}

function list(names: readonly string[]): string {
  const rest = names.length - SHOWN;
  return [...names.slice(0, SHOWN), ...(rest > 0 ? [`${rest} more`] : [])].join(', ');
}
