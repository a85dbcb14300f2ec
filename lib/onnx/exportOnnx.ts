/** A trained model as an ONNX file: preprocessing, network and margin-free head in one graph. */
import { MarginCoreError } from '../base/errors.js';
import { packageVersion } from '../base/packageRoot.js';
import type { ImageSize } from '../data/imageSize.js';
import type { ChannelNormalization } from '../data/normalize.js';
import { writeAside, writeWhole } from '../files/writeAside.js';
import type { LayerSummary, NativeHead } from '../native/contract.js';
import type { ModelDescription } from '../networks/index.js';
import { GraphBuilder } from './graph.js';
import { addDirection, addHead } from './head.js';
import { addNetwork } from './network.js';
import type { Parameters } from './parameters.js';
import { encodeModel, type OnnxFile, type OnnxValue } from './schema.js';

export interface OnnxOptions {
  /** 'uint8': images as bytes (N, H, W, C), normalised in the graph; 'float': normalised (N, C, H, W). */
  readonly input: 'uint8' | 'float';
  /** Batch norms become part of the weights before them. */
  readonly fold: boolean;
  /** The embedding of length 1. */
  readonly normalizeEmbedding: boolean;
}

export interface ExportedModel {
  readonly network: ModelDescription;
  readonly input: ImageSize;
  readonly head: NativeHead;
  readonly classNames: readonly string[];
  readonly normalization: ChannelNormalization;
  readonly layers: readonly LayerSummary[];
  readonly embeddingSize: number;
}

/** A protobuf message cannot be larger, and the format has its tensors in one. */
const MOST_BYTES = 2 ** 31 - 1;

/** Names of the graph's ends. */
const IMAGES = 'images';
const OUTPUTS = { embedding: 'embedding', logits: 'logits', probabilities: 'probabilities' } as const;
const BATCH = 'N';

/**
 * Writes the file aside, one parameter after another. Rejects with UNSUPPORTED, before any of them is read, where the format
 * cannot hold them; FILE_NOT_WRITTEN.
 */
export async function exportOnnx(
  path: string,
  model: ExportedModel,
  parameters: Parameters,
  options: OnnxOptions,
  signal?: AbortSignal,
): Promise<void> {
  const { size, pieces } = describe(model, parameters, options);
  if (size > MOST_BYTES) {
    throw new MarginCoreError(
      'UNSUPPORTED',
      `The model would take ${size} bytes, and an ONNX file holds at most ${MOST_BYTES}`,
      { details: { bytes: size, limit: MOST_BYTES } },
    );
  }
  await writeAside(path, async (file) => {
    for await (const piece of pieces()) {
      signal?.throwIfAborted();
      await writeWhole(file, piece);
    }
  });
}

function describe(model: ExportedModel, parameters: Parameters, options: OnnxOptions): OnnxFile {
  const { network, input, head, classNames, layers, embeddingSize } = model;
  const graph = new GraphBuilder();
  for (const name of [IMAGES, ...Object.values(OUTPUTS)]) graph.reserve(name);
  const image = options.input === 'uint8' ? addPreprocessing(graph, model) : IMAGES;
  const described = { layers: network.layers, input, summaries: layers };
  const embedding = addNetwork(graph, image, described, parameters, { foldBatchNorm: options.fold });
  const logits = addHead(graph, embedding, embeddingSize, head, parameters, { foldScaledBn: options.fold });
  const shown = options.normalizeEmbedding
    ? addDirection(graph, embedding, 'embedding.direction')
    : embedding;
  graph.name(shown, OUTPUTS.embedding);
  graph.name(logits, OUTPUTS.logits);
  graph.name(graph.add('Softmax', 'softmax', [logits], { axis: 1 }), OUTPUTS.probabilities);

  const [H, W, C] = input;
  const rows = (name: string, columns: number): OnnxValue => ({
    name,
    type: 'float',
    shape: [BATCH, columns],
  });
  return encodeModel(
    {
      name: network.name || 'margincore',
      nodes: graph.nodes,
      initializers: graph.initializers,
      inputs: [
        options.input === 'uint8'
          ? { name: IMAGES, type: 'uint8', shape: [BATCH, H, W, C] }
          : { name: IMAGES, type: 'float', shape: [BATCH, C, H, W] },
      ],
      outputs: [
        rows(OUTPUTS.embedding, embeddingSize),
        rows(OUTPUTS.logits, head.numClasses),
        rows(OUTPUTS.probabilities, head.numClasses),
      ],
    },
    { version: packageVersion(), metadata: { classNames: JSON.stringify(classNames) } },
  );
}

/** Bytes (N, H, W, C) to (p/255 − mean)/std, (N, C, H, W). */
function addPreprocessing(
  graph: GraphBuilder,
  { input, normalization: { mean, std } }: ExportedModel,
): string {
  const channels = input[2];
  const factor = Float64Array.from(std, (value) => 1 / (255 * value));
  const shift = Float64Array.from(std, (value, c) => -mean[c]! / value);
  const scale = graph.floats('preprocessing.scale', [channels, 1, 1], factor);
  const offset = graph.floats('preprocessing.shift', [channels, 1, 1], shift);
  const floats = graph.add('Cast', 'preprocessing.float', [IMAGES], { to: 1 });
  const nchw = graph.add('Transpose', 'preprocessing.nchw', [floats], { perm: [0, 3, 1, 2] });
  return graph.add('Add', 'preprocessing', [graph.add('Mul', 'preprocessing.scaled', [nchw, scale]), offset]);
}
