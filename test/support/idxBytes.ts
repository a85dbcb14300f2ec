/** An IDX file in memory. Sizes are written as given, also where the content does not fit them. */
export function idxBytes(sizes: number[], content: ArrayLike<number>, type = 0x08): Buffer {
  const header = Buffer.alloc(4 + 4 * sizes.length);
  header[2] = type;
  header[3] = sizes.length;
  sizes.forEach((size, dimension) => {
    header.writeUInt32BE(size, 4 + 4 * dimension);
  });
  return Buffer.concat([header, Uint8Array.from(content)]);
}

/** 0, 1, 2, … as bytes. */
export function counting(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index);
}
