/** ONNX's own messages, as its schema (onnx.proto) has them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { parse, Type } from 'protobufjs';
import { lazy } from '../base/lazy.js';
import { packageRoot } from '../base/packageRoot.js';

/** Of the standard operators: the newest whose every reader of the last years knows. */
export const OPSET = 17;
/** Of the file format: that of the release which brought the operators. */
const IR_VERSION = 8;

/** TensorProto.DataType */
export const ELEMENT = { float: 1, uint8: 2, int64: 7 } as const;
export type ElementType = keyof typeof ELEMENT;

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
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
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

/** Bytes of a .onnx file. */
export function encodeModel(graph: OnnxGraph, { version, metadata }: OnnxProducer): Uint8Array {
  const message = {
    irVersion: IR_VERSION,
    producerName: 'margincore',
    producerVersion: version,
    opsetImport: [{ domain: '', version: OPSET }],
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    graph: {
      name: graph.name,
      node: graph.nodes.map((node) => ({ ...node, attributes: undefined, attribute: attributesOf(node) })),
      initializer: graph.initializers.map(({ name, type, shape, data }) => ({
        name,
        dims: shape,
        dataType: ELEMENT[type],
        rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      })),
      input: graph.inputs.map(valueInfo),
      output: graph.outputs.map(valueInfo),
    },
  };
  const model = modelProto();
  return model.encode(model.fromObject(message)).finish();
}

const protobuf = lazy<{ parse: typeof parse }>('protobufjs');

let loaded: Type | undefined;

/** The schema is read once it is needed. */
function modelProto(): Type {
  if (loaded === undefined) {
    const text = readFileSync(join(packageRoot(), 'schemas/onnx.proto'), 'utf8');
    loaded = protobuf().parse(text).root.lookupType('onnx.ModelProto');
  }
  return loaded;
}

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
