/**
 * How the images of a data set lie in their frame, and how a drawing is brought to lie in the same way. The page and
 * Node share this file: it needs neither.
 */

/** Bytes 0…255, row-major: what is bright is the thing, 0 the ground. */
export interface Grey {
  readonly data: Uint8Array;
  readonly height: number;
  readonly width: number;
}

export interface Framing {
  /** The longer side of the thing, in pixels of the frame: 20 in MNIST, 28 in Fashion-MNIST */
  readonly box: number;
  /** What of the thing is in the middle of the frame: its centre of mass, as in MNIST, or that of its bounds */
  readonly centre: 'mass' | 'bounds';
  /** How bright the thing is within its soft rim, 1…255 */
  readonly shade: number;
  /** Whether things are areas, as clothes are, and not lines, as digits are */
  readonly isFilled: boolean;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

interface Bounds {
  readonly left: number;
  readonly top: number;
  /** Beyond the last pixel */
  readonly right: number;
  readonly bottom: number;
}

/** Less is the soft rim of a thing. */
const RIM = 128;

/** Of 784 pixels MNIST's digits light a fifth, Fashion-MNIST's clothes a half. */
const FILLED = 1 / 3;

/** Medians over the images. Those without a bright pixel do not count. */
export function framingOf(images: readonly Grey[]): Framing {
  const bright = images.filter(({ data }) => data.some((value) => value >= RIM));
  if (bright.length === 0) throw new Error('There is nothing bright on the images');
  const medianOf = (measure: (image: Grey) => number) => median(bright.map(measure));
  const fromMiddle = ({ height, width }: Grey, { x, y }: Point) => Math.hypot(x - width / 2, y - height / 2);
  const offByMass = medianOf((image) => fromMiddle(image, centreOfMass(image)));
  const offByBounds = medianOf((image) => fromMiddle(image, middleOf(boundsOf(image)!)));
  return {
    box: medianOf((image) => longerSide(boundsOf(image)!)),
    centre: offByMass < offByBounds ? 'mass' : 'bounds',
    shade: medianOf(({ data }) => median(Array.from(data).filter((value) => value >= RIM))),
    isFilled: medianOf(({ data }) => data.filter((value) => value > 0).length / data.length) > FILLED,
  };
}

/** The drawing, scaled and moved as the data has its things. An empty one stays empty. */
export function frameDrawing(drawing: Grey, framing: Framing, height: number, width: number): Uint8Array {
  const pixels = new Uint8Array(height * width);
  const bounds = boundsOf(drawing);
  if (bounds === undefined) return pixels;
  const scale = longerSide(bounds) / framing.box;
  const centre = framing.centre === 'mass' ? centreOfMass(drawing) : middleOf(bounds);
  const left = centre.x - (scale * width) / 2;
  const top = centre.y - (scale * height) / 2;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const mean = meanOver(drawing, left + scale * column, top + scale * row, scale);
      pixels[row * width + column] = Math.round(mean);
    }
  }
  return pixels;
}

/** What lines enclose, in a shade: the ground that cannot be reached from the edge. */
export function fillEnclosed({ data, height, width }: Grey, shade: number): Grey {
  const isGround = (at: number) => data[at]! < Math.min(RIM, shade);
  const reached = new Uint8Array(data.length);
  const waiting: number[] = [];
  const reach = (row: number, column: number) => {
    const at = row * width + column;
    const isInside = row >= 0 && row < height && column >= 0 && column < width;
    if (!isInside || reached[at] || !isGround(at)) return;
    reached[at] = 1;
    waiting.push(at);
  };
  for (let row = 0; row < height; row++) for (const column of [0, width - 1]) reach(row, column);
  for (let column = 0; column < width; column++) for (const row of [0, height - 1]) reach(row, column);
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    const [row, column] = [Math.floor(at / width), at % width];
    reach(row - 1, column);
    reach(row + 1, column);
    reach(row, column - 1);
    reach(row, column + 1);
  }
  const filled = data.map((value, at) => (reached[at] || !isGround(at) ? value : Math.max(value, shade)));
  return { data: filled, height, width };
}

/** Around all pixels that are not 0; undefined where there is none. */
function boundsOf({ data, height, width }: Grey): Bounds | undefined {
  let [left, top, right, bottom] = [width, height, 0, 0];
  data.forEach((value, at) => {
    if (value === 0) return;
    const [row, column] = [Math.floor(at / width), at % width];
    left = Math.min(left, column);
    right = Math.max(right, column + 1);
    top = Math.min(top, row);
    bottom = Math.max(bottom, row + 1);
  });
  return right === 0 ? undefined : { left, top, right, bottom };
}

function longerSide({ left, top, right, bottom }: Bounds): number {
  return Math.max(right - left, bottom - top);
}

function middleOf({ left, top, right, bottom }: Bounds): Point {
  return { x: (left + right) / 2, y: (top + bottom) / 2 };
}

function centreOfMass({ data, width }: Grey): Point {
  let [mass, x, y] = [0, 0, 0];
  data.forEach((value, at) => {
    mass += value;
    x += value * ((at % width) + 0.5);
    y += value * (Math.floor(at / width) + 0.5);
  });
  return { x: x / mass, y: y / mass };
}

/** Over a square of any size at any place; outside of the drawing is ground. */
function meanOver({ data, height, width }: Grey, left: number, top: number, side: number): number {
  let sum = 0;
  for (let row = Math.max(0, Math.floor(top)); row < Math.min(height, top + side); row++) {
    const high = overlap(row, top, side);
    for (let column = Math.max(0, Math.floor(left)); column < Math.min(width, left + side); column++) {
      sum += data[row * width + column]! * high * overlap(column, left, side);
    }
  }
  return sum / side ** 2;
}

/** How much of pixel [at, at + 1] lies in [start, start + length]. */
function overlap(at: number, start: number, length: number): number {
  return Math.max(0, Math.min(at + 1, start + length) - Math.max(at, start));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
