/** A drawing lies in its frame as the data's things do. */
import { fillEnclosed, frameDrawing, framingOf, type Grey } from '../../examples/browser/framing.js';
import { sample } from '../support/sample.js';

const SIDE = 28;

async function clothes(count: number): Promise<Grey[]> {
  const { train } = await sample(count);
  return Array.from({ length: count }, (_, index) => ({
    data: train.images.data.slice(index * SIDE ** 2, (index + 1) * SIDE ** 2),
    height: SIDE,
    width: SIDE,
  }));
}

/** Every pixel `times` as wide and as high, with `room` pixels of ground on the left and above. */
function enlarged({ data, height, width }: Grey, times: number, room = 0): Grey {
  const [high, wide] = [height * times + room, width * times + room];
  const large = new Uint8Array(high * wide);
  for (let row = room; row < high; row++) {
    for (let column = room; column < wide; column++) {
      const [y, x] = [Math.floor((row - room) / times), Math.floor((column - room) / times)];
      large[row * wide + column] = data[y * width + x]!;
    }
  }
  return { data: large, height: high, width: wide };
}

/** A picture in text: '#' is 255, a digit that many twentieths of it. */
function grey(rows: readonly string[]): Grey {
  const value = (character: string) =>
    character === '#' ? 255 : character === '.' ? 0 : (Number(character) * 255) / 20;
  const data = Uint8Array.from(rows.flatMap((row) => Array.from(row, value)));
  return { data, height: rows.length, width: rows[0]!.length };
}

const [L, RING] = [
  ['#...', '#...', '#...', '####'],
  ['......', '.####.', '.#..#.', '.#..#.', '.####.', '......'],
].map(grey) as [Grey, Grey];

const isFull = ({ data }: Grey) => {
  const isLit = (at: number) => data[at]! > 0;
  const line = (start: number, step: number) => Array.from({ length: SIDE }, (_, i) => start + i * step);
  return (
    [line(0, 1), line(SIDE * (SIDE - 1), 1)].every((edge) => edge.some(isLit)) ||
    [line(0, SIDE), line(SIDE - 1, SIDE)].every((edge) => edge.some(isLit))
  );
};

test('an image of the data, however large and wherever it was drawn, becomes the very same image', async () => {
  const images = await clothes(200);
  const framing = framingOf(images);
  expect(framing).toMatchObject({ box: SIDE, centre: 'bounds', isFilled: true });
  // Those whose bounds are in the middle to the pixel: the others were moved by half a pixel at their making.
  const centred = images.filter((image) => {
    const columns = Array.from({ length: SIDE }, (_, x) =>
      image.data.some((v, at) => v > 0 && at % SIDE === x),
    );
    const rows = Array.from({ length: SIDE }, (_, y) =>
      image.data.subarray(y * SIDE, (y + 1) * SIDE).some(Boolean),
    );
    const isMiddle = (lit: boolean[]) => lit.indexOf(true) === SIDE - 1 - lit.lastIndexOf(true);
    return isFull(image) && isMiddle(columns) && isMiddle(rows);
  });
  expect(centred.length).toBeGreaterThan(20);
  for (const image of centred) {
    expect(frameDrawing(enlarged(image, 7, 30), framing, SIDE, SIDE)).toEqual(image.data);
  }
});

test('by mass: the longer side is that of the box, and the centre of mass in the middle', () => {
  const framing = { box: 20, centre: 'mass', shade: 255, isFilled: false } as const;
  const pixels = frameDrawing(enlarged(L, 37, 11), framing, SIDE, SIDE);
  let [mass, x, y] = [0, 0, 0];
  pixels.forEach((value, at) => {
    mass += value;
    x += value * ((at % SIDE) + 0.5);
    y += value * (Math.floor(at / SIDE) + 0.5);
  });
  expect(x / mass).toBeCloseTo(SIDE / 2, 1);
  expect(y / mass).toBeCloseTo(SIDE / 2, 1);
  // 7 of 16 squares of a box of 20 × 20
  expect(mass / 255).toBeCloseTo((7 / 16) * 400, 0);
});

test('digits are told from clothes: by their box, their centre, and how much of the frame they light', () => {
  const framing = { box: 20, centre: 'mass', shade: 255, isFilled: false } as const;
  const digits = [L, RING, grey(['..#', '.##', '..#', '..#'])].map((drawing) => ({
    data: frameDrawing(enlarged(drawing, 30), { ...framing, box: 16 }, SIDE, SIDE),
    height: SIDE,
    width: SIDE,
  }));
  const { box, ...rest } = framingOf(digits);
  expect(rest).toEqual({ centre: 'mass', shade: 255, isFilled: false });
  expect(Math.abs(box - 16)).toBeLessThanOrEqual(1); // a side between two pixels lights both
});

test('nothing drawn is a black image, and nothing to measure is said', () => {
  const empty = { data: new Uint8Array(100), height: 10, width: 10 };
  const framing = { box: 20, centre: 'mass', shade: 255, isFilled: false } as const;
  expect(frameDrawing(empty, framing, SIDE, SIDE)).toEqual(new Uint8Array(SIDE ** 2));
  expect(() => framingOf([empty])).toThrow('nothing bright');
});

test('what a line encloses is filled, and nothing else', () => {
  const filled = fillEnclosed(RING, 102);
  const expected = grey(['......', '.####.', '.#88#.', '.#88#.', '.####.', '......']);
  expect(filled.data).toEqual(expected.data);
  expect(fillEnclosed(L, 102).data).toEqual(L.data);
});
