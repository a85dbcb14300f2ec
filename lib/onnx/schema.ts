/** ONNX's own messages, as its schema (onnx.proto) has them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Field, Root, Type, Writer } from 'protobufjs';
import { lazy } from '../base/lazy.js';
import { packageRoot } from '../base/packageRoot.js';

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
      encode('TensorProto', { name: tensor.name, dims: tensor.shape, dataType: ELEMENT.float }),
      opening('TensorProto', 'rawData', bytes),
    );
    const begin = joined(opening('GraphProto', 'initializer', about.length + bytes), about);
    return { tensor, begin, bytes };
  });
  const nodes = encode('GraphProto', {
    name: graph.name,
    node: graph.nodes.map((node) => ({ ...node, attributes: undefined, attribute: attributesOf(node) })),
    input: graph.inputs.map(valueInfo),
    output: graph.outputs.map(valueInfo),
  });
  const graphSize = tensors.reduce((sum, { begin, bytes }) => sum + begin.length + bytes, nodes.length);
  const model = encode('ModelProto', {
    irVersion: IR_VERSION,
    producerName: 'margincore',
    producerVersion: version,
    opsetImport: [{ domain: '', version: OPSET }],
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  });
  const first = joined(model, opening('ModelProto', 'graph', graphSize), nodes);
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

const protobuf = lazy<typeof import('protobufjs')>('protobufjs');

let schema: Root | undefined;

/** The schema is read once it is needed. */
function messageType(name: string): Type {
  schema ??= protobuf().parse(readFileSync(join(packageRoot(), 'schemas/onnx.proto'), 'utf8')).root;
  return schema.lookupType(`onnx.${name}`);
}

type Message = Readonly<Record<string, unknown>>;

function encode(name: string, message: Message): Uint8Array {
  const writer = protobuf().Writer.create();
  write(writer, messageType(name), message);
  return writer.finish();
}

/** The library's own way makes code of texts, which a process may forbid (--disallow-code-generation-from-strings). */
function write(writer: Writer, type: Type, message: Message): void {
  for (const [name, value] of Object.entries(message)) {
    if (value === undefined) continue;
    const field = type.get(name)!.resolve() as Field;
    for (const each of field.repeated ? (value as unknown[]) : [value]) writeField(writer, field, each);
  }
}

function writeField(writer: Writer, { id, type, resolvedType }: Field, value: unknown): void {
  const { Type, Enum, types } = protobuf();
  if (resolvedType instanceof Type) {
    write(writer.uint32(tag(id, LENGTH_DELIMITED)).fork(), resolvedType, value as Message);
    writer.ldelim();
    return;
  }
  const kind = (resolvedType instanceof Enum ? 'int32' : type) as 'int32' | 'int64' | 'float' | 'string';
  writer.uint32(tag(id, types.basic[kind]!))[kind](value as never);
}

/** What stands before so many bytes of a field. */
function opening(message: string, field: string, bytes: number): Uint8Array {
  const { id } = messageType(message).fields[field]!;
  return protobuf().Writer.create().uint32(tag(id, LENGTH_DELIMITED)).uint32(bytes).finish();
}

const LENGTH_DELIMITED = 2;
const tag = (id: number, wireType: number) => id * 8 + wireType;

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
