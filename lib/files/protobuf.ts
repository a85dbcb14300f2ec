/** Messages as protobuf bytes, by the schema that their format has published. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Field, Reader, Root, Type, Writer } from 'protobufjs';
import { lazy } from '../base/lazy.js';
import { packageRoot } from '../base/packageRoot.js';

const protobuf = lazy<typeof import('protobufjs')>('protobufjs');

/**
 * By the names of its fields. Enums are their number or its name. What is undefined is not written; what bytes do not have is not there when
 * they are read, whatever its default would be.
 */
export type Message = Readonly<Record<string, unknown>>;

export class Schema {
  #root: Root | undefined;

  /** @param file In the folder of schemas; it is read once it is needed. */
  constructor(
    private readonly file: string,
    private readonly packageName: string,
  ) {}

  encode(type: string, message: Message): Uint8Array {
    const writer = protobuf().Writer.create();
    write(writer, this.#type(type), message);
    return writer.finish();
  }

  /** Enums as names where they have one, integers as numbers; fields that the schema does not name are passed over. Throws an Error for other bytes. */
  decode(type: string, bytes: Uint8Array): Message {
    const reader = protobuf().Reader.create(bytes);
    return read(reader, this.#type(type), reader.len);
  }

  /** What stands before so many bytes of a field. */
  opening(type: string, field: string, bytes: number): Uint8Array {
    const { id } = this.#type(type).fields[field]!;
    return protobuf().Writer.create().uint32(tag(id, LENGTH_DELIMITED)).uint32(bytes).finish();
  }

  #type(name: string): Type {
    this.#root ??= protobuf().parse(readFileSync(join(packageRoot(), 'schemas', this.file), 'utf8')).root;
    return this.#root.lookupType(`${this.packageName}.${name}`);
  }
}

/** The library's own way makes code of texts, which a process may forbid (--disallow-code-generation-from-strings). */
function write(writer: Writer, type: Type, message: Message): void {
  for (const [name, value] of Object.entries(message)) {
    if (value === undefined) continue;
    const field = type.get(name)!.resolve() as Field;
    if (field.repeated && field.packed) writePacked(writer, field, value as readonly unknown[]);
    else for (const each of field.repeated ? (value as unknown[]) : [value]) writeField(writer, field, each);
  }
}

function writeField(writer: Writer, field: Field, value: unknown): void {
  const { Type, types } = protobuf();
  const { id, resolvedType } = field;
  if (resolvedType instanceof Type) {
    write(writer.uint32(tag(id, LENGTH_DELIMITED)).fork(), resolvedType, value as Message);
    writer.ldelim();
    return;
  }
  writer.uint32(tag(id, types.basic[kindOf(field)]!));
  writeValue(writer, field, value);
}

function writePacked(writer: Writer, field: Field, values: readonly unknown[]): void {
  writer.uint32(tag(field.id, LENGTH_DELIMITED)).fork();
  for (const value of values) writeValue(writer, field, value);
  writer.ldelim();
}

function writeValue(writer: Writer, field: Field, value: unknown): void {
  const { resolvedType } = field;
  const number = resolvedType instanceof protobuf().Enum && resolvedType.values[value as string];
  writer[kindOf(field)]((typeof number === 'number' ? number : value) as never);
}

/** @param end Where among the reader's bytes the message ends */
function read(reader: Reader, type: Type, end: number): Message {
  const message: Record<string, unknown> = {};
  while (reader.pos < end) {
    const key = reader.uint32();
    const [id, wireType] = [key >>> 3, key & 7];
    if (id === 0) throw new Error('a field without a number');
    const field = type.fieldsById[id]?.resolve();
    if (field === undefined) reader.skipType(wireType);
    else if (!field.repeated) message[field.name] = readField(reader, field, wireType);
    else {
      message[field.name] ??= [];
      readRepeated(reader, field, wireType, message[field.name] as unknown[]);
    }
  }
  if (reader.pos > end) throw new Error('a field reaches beyond its message');
  return message;
}

function readField(reader: Reader, field: Field, wireType: number): unknown {
  const { Type, types } = protobuf();
  const { resolvedType } = field;
  const isMessage = resolvedType instanceof Type;
  const expected = isMessage ? LENGTH_DELIMITED : types.basic[kindOf(field)]!;
  if (wireType !== expected) throw new Error(`${field.name} is of wire type ${wireType}, not ${expected}`);
  return isMessage ? read(reader, resolvedType, reader.uint32() + reader.pos) : readValue(reader, field);
}

/** Numbers may be packed or not, whichever the schema says. */
function readRepeated(reader: Reader, field: Field, wireType: number, values: unknown[]): void {
  const isPacked = wireType === LENGTH_DELIMITED && kindOf(field) in protobuf().types.packed;
  if (!isPacked) {
    values.push(readField(reader, field, wireType));
    return;
  }
  const end = reader.uint32() + reader.pos;
  while (reader.pos < end) values.push(readValue(reader, field));
}

function readValue(reader: Reader, field: Field): unknown {
  const { resolvedType } = field;
  const kind = kindOf(field);
  const value = reader[kind]();
  if (resolvedType instanceof protobuf().Enum) return resolvedType.valuesById[value as number] ?? value;
  // Beyond 32 bits they are objects, where numbers up to 2^53 are as good.
  return kind === 'int64' ? Number(String(value)) : value;
}

type Kind = 'int32' | 'int64' | 'bool' | 'float' | 'double' | 'string' | 'bytes';

function kindOf({ type, resolvedType }: Field): Kind {
  return (resolvedType instanceof protobuf().Enum ? 'int32' : type) as Kind;
}

const LENGTH_DELIMITED = 2;
const tag = (id: number, wireType: number) => id * 8 + wireType;
