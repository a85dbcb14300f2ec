/** ONNX's own messages, as its schema (onnx.proto) has them. */
import { Schema } from '../files/protobuf.js';

/** Of the standard operators: the newest whose every reader of the last years knows. */
const OPSET = 17;
/** Of the file format: that of the release which brought the operators. */
const IR_VERSION = 8;

/** TensorProto.DataType */
const ELEMENT = { float: 1, uint8: 2 } as const;
type ElementType = keyof typeof ELEMENT;

/** AttributeProto.AttributeType */
const ATTRIBUTE = { float: 1, int: 2, ints: 7 } as const;

/** A number with a fraction is told from a whole one by its name here: JavaScript has one kind. */
export type Attributes = Readonly<Record<string, number | readonly number[] | { readonly float: number }>>;

export interface OnnxNode {
  readonly name: string;
  readonly opType: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attributes: Attributes;
}

export interface OnnxTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** fp32, in pieces that follow one another: fetched when its turn comes, so that never all of them are in memory. */
  values(): Promise<Iterable<Float32Array>>;
}

/** A text is the name of a size that is open. */
export interface OnnxValue {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly (number | string)[];
}

export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

export interface OnnxProducer {
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A .onnx file: how large it will be is known before any of its tensors is read. */
export interface OnnxFile {
  readonly size: number;
  pieces(): AsyncIterable<Uint8Array>;
}

/**
 * What holds the tensors is put together here, and what holds their numbers: a field with a length is its tag, the length
 * and the bytes, so that these can follow in pieces. Fields of a message may come in any order.
 */
export function encodeModel(graph: OnnxGraph, { version, metadata }: OnnxProducer): OnnxFile {
  const tensors = graph.initializers.map((tensor) => {
    const bytes = tensor.shape.reduce((product, size) => product * size, Float32Array.BYTES_PER_ELEMENT);
    const about = joined(
      schema.encode('TensorProto', { name: tensor.name, dims: tensor.shape, dataType: ELEMENT.float }),
      schema.opening('TensorProto', 'rawData', bytes),
    );
    const begin = joined(schema.opening('GraphProto', 'initializer', about.length + bytes), about);
    return { tensor, begin, bytes };
  });
  const nodes = schema.encode('GraphProto', {
    name: graph.name,
    node: graph.nodes.map((node) => ({ ...node, attributes: undefined, attribute: attributesOf(node) })),
    input: graph.inputs.map(valueInfo),
    output: graph.outputs.map(valueInfo),
  });
  const graphSize = tensors.reduce((sum, { begin, bytes }) => sum + begin.length + bytes, nodes.length);
  const model = schema.encode('ModelProto', {
    irVersion: IR_VERSION,
    producerName: 'margincore',
    producerVersion: version,
    opsetImport: [{ domain: '', version: OPSET }],
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  });
  const first = joined(model, schema.opening('ModelProto', 'graph', graphSize), nodes);
  return {
    size: first.length - nodes.length + graphSize,
    async *pieces() {
      yield first;
      for (const { tensor, begin } of tensors) {
        yield begin;
        for (const { buffer, byteOffset, byteLength } of await tensor.values()) {
          yield new Uint8Array(buffer, byteOffset, byteLength);
        }
      }
    },
  };
}

const schema = new Schema('onnx.proto', 'onnx');

const joined = (...parts: Uint8Array[]): Uint8Array => Buffer.concat(parts);

function attributesOf({ attributes }: OnnxNode): object[] {
  return Object.entries(attributes).map(([name, value]) => {
    if (typeof value === 'number') return { name, type: ATTRIBUTE.int, i: value };
    if ('float' in value) return { name, type: ATTRIBUTE.float, f: value.float };
    return { name, type: ATTRIBUTE.ints, ints: value };
  });
}

const valueInfo = ({ name, type, shape }: OnnxValue) => ({
  name,
  type: {
    tensorType: {
      elemType: ELEMENT[type],
      shape: {
        dim: shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size })),
      },
    },
  },
});
