/** PGM and PPM (netpbm's P5 and P6): what face collections such as ORL's are made of, and sharp does not read. */

export interface RawImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
}

/** Two of the magic number, three numbers with white space or comments before each, one white space. */
const HEADER =
  /^P([56])(?:\s+(?:#[^\n]*\n\s*)*)(\d{1,6})(?:\s+(?:#[^\n]*\n\s*)*)(\d{1,6})(?:\s+(?:#[^\n]*\n\s*)*)(\d{1,5})\s/;
const LONGEST_HEADER = 1024;

export const isPnm = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x50 && (bytes[1] === 0x35 || bytes[1] === 0x36);

/** Levels are brought to 0…255. Throws an Error that says what is wrong. */
export function parsePnm(bytes: Uint8Array): RawImage {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, LONGEST_HEADER)).toString(
    'latin1',
  );
  const found = HEADER.exec(text);
  if (found === null) throw new Error('its PGM or PPM header is damaged');
  const [width, height, highest] = found.slice(2).map(Number) as [number, number, number];
  const channels = found[1] === '5' ? 1 : 3;
  const isWide = highest > 255;
  const count = width * height * channels;
  const pixels = bytes.subarray(found[0].length);
  if (count === 0 || highest === 0 || highest > 65535)
    throw new Error('its PGM or PPM header has a size or level of 0');
  if (pixels.length < count * (isWide ? 2 : 1)) {
    throw new Error(`it is truncated: ${pixels.length} bytes, expected ${count * (isWide ? 2 : 1)}`);
  }
  const level = (i: number) => (isWide ? (pixels[2 * i]! << 8) | pixels[2 * i + 1]! : pixels[i]!);
  const data =
    highest === 255
      ? pixels.subarray(0, count)
      : Uint8Array.from({ length: count }, (_, i) =>
          Math.round((255 * Math.min(level(i), highest)) / highest),
        );
  return { data, width, height, channels };
}
