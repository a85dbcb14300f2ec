/** Messages as protobuf bytes, by the schema that their format has published. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Field, Root, Type, Writer } from 'protobufjs';
import { lazy } from '../base/lazy.js';
import { packageRoot } from '../base/packageRoot.js';

const protobuf = lazy<typeof import('protobufjs')>('protobufjs');

/** By the names of its fields; what is undefined is not written. Enums are their number or its name. */
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

type Kind = 'int32' | 'int64' | 'bool' | 'float' | 'double' | 'string' | 'bytes';

function kindOf({ type, resolvedType }: Field): Kind {
  return (resolvedType instanceof protobuf().Enum ? 'int32' : type) as Kind;
}

const LENGTH_DELIMITED = 2;
const tag = (id: number, wireType: number) => id * 8 + wireType;
