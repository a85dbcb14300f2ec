/** Embeddings of test images: in the plane as they are, in space to be turned. */
import type { Analysis } from '../experiments/analysis.js';
import type { Figure } from '../report/figures/figure.js';

const COLOURS = 10;
/** From where space is looked at: each axis is seen, none behind another. */
const VIEW = [Math.PI / 5, Math.PI / 7] as const;

export function scatter(
  title: string,
  number: number,
  { dimensions, points, labels }: Analysis['embeddings'],
  classNames: readonly string[],
): Figure {
  const placesOf = (index: number) => points.slice(index * dimensions, (index + 1) * dimensions);
  const places = labels.map((_, index) => placesOf(index));
  const centre = Array.from({ length: dimensions }, (_, axis) => mean(places.map((place) => place[axis]!)));
  // Of the plane the origin is what directions start from; components have their mean there.
  const origin = dimensions === 2 ? [0, 0] : centre;
  const centred = places.map((place) => place.map((value, axis) => value - origin[axis]!));
  const radius = Math.max(...centred.map((place) => Math.hypot(...place)), Number.MIN_VALUE);
  const unit = centred.map((place) => place.map((value) => Number((value / radius).toFixed(3))));
  const circles = unit.map((place, index) => {
    const [x, y] = dimensions === 2 ? [place[0]!, -place[1]!] : projected(place as [number, number, number]);
    const label = labels[index]!;
    return `<circle cx="${x.toFixed(3)}" cy="${y.toFixed(3)}" r=".014" fill="var(--c${label % COLOURS})"/>`;
  });
  const turned =
    dimensions === 2
      ? ''
      : ` class="turnable" tabindex="0" data-view="[${VIEW.join(',')}]" data-points="[${unit.flat().join(',')}]"`;
  const how =
    dimensions === 2 ? 'the plane' : 'three principal components; drag, or use the arrow keys, to turn';
  return {
    id: `embeddings-${number}`,
    title: `${title}: embeddings (${how})`,
    svg: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-1.05 -1.05 2.1 2.1" role="img" aria-label="${labels.length} embeddings of test images, coloured by class"${turned}>${circles.join('')}</svg>`,
    table: [
      [...'xyz'.slice(0, dimensions), 'class'],
      ...places.map((place, index) => [...place, classNames[labels[index]!]!]),
    ],
  };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** As the page's script does. */
function projected([x, y, z]: [number, number, number]): [number, number] {
  const [azimuth, elevation] = VIEW;
  const depth = y * Math.cos(azimuth) - x * Math.sin(azimuth);
  return [
    x * Math.cos(azimuth) + y * Math.sin(azimuth),
    -(z * Math.cos(elevation) + depth * Math.sin(elevation)),
  ];
}
