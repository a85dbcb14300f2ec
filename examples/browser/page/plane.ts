/** Test images as points in the plane of the embedding, the directions of the class centres, and the drawing among them. */
import type { Site } from '../site.js';
import { element, svgElement } from './elements.js';

/** Of the view box */
const SIDE = 100;
/** Room around the points, for names and for drawings that lie further out: a part of the way to the edge */
const PADDING = 0.2;
/** Of names, as parts of the way from the middle to the edge: where rays end, and where names stand */
const RIM = { ray: 0.8, name: 0.88 } as const;
/** Half of a character's usual width, by which names are kept inside */
const HALF_CHARACTER = 1.1;
/** Between the names of two classes, radians */
const APART = 0.14;
/** Of the drawing's mark, from the edge */
const MARGIN = 2;

export class Plane {
  readonly #svg = element('plane', SVGSVGElement);
  readonly #about = element('plane-about', HTMLElement);
  readonly #here = svgElement('g', { id: 'here', visibility: 'hidden' });
  readonly #reach: number;
  readonly #text: string;

  constructor({ points, labels, centres, classNames, colours }: Site) {
    this.#reach = points.reduce((most, value) => Math.max(most, Math.abs(value)), 0) * (1 + PADDING);
    this.#text =
      `Embeddings of ${labels.length} test images, a colour for each class; rays: the class centres ` +
      'of the head, whose angle to the embedding decides.';
    const angles = classNames.map((_, label) => Math.atan2(centres[2 * label + 1]!, centres[2 * label]!));
    const shown = spread(angles, APART);
    const rays = angles.map((angle, label) => ray(angle, shown[label]!, colours[label]!));
    const clouds = classNames.map((_, label) => this.#cloud(points, labels, label, colours[label]!));
    const names = classNames.map((name, label) => nameAt(shown[label]!, name));
    this.#here.append(
      svgElement('circle', { r: 2.6, class: 'halo' }),
      svgElement('circle', { r: 2.6 }),
      svgElement('path', { d: 'M-5 0h3.4M5 0h-3.4M0 -5v3.4M0 5v-3.4' }),
    );
    this.#svg.append(...rays, ...clouds, ...names, this.#here);
    this.clear();
  }

  /** @param embedding (2) */
  show(embedding: Float32Array): void {
    const [x, y] = [embedding[0]!, embedding[1]!];
    const inView = (value: number) => Math.min(SIDE - MARGIN, Math.max(MARGIN, value));
    const [left, top] = this.#place(x, y);
    this.#here.setAttribute('transform', `translate(${inView(left)} ${inView(top)})`);
    this.#here.setAttribute('visibility', 'visible');
    this.#here.dataset.embedding = `${x} ${y}`;
    const isBeyond = inView(left) !== left || inView(top) !== top;
    this.#about.textContent =
      `${this.#text} The drawing is at (${x.toFixed(2)}, ${y.toFixed(2)})` +
      `${isBeyond ? ', beyond the edge: its mark shows the nearest place' : ''}.`;
  }

  clear(): void {
    this.#here.setAttribute('visibility', 'hidden');
    delete this.#here.dataset.embedding;
    this.#about.textContent = this.#text;
  }

  #place(x: number, y: number): [left: number, top: number] {
    const scale = SIDE / (2 * this.#reach);
    return [SIDE / 2 + scale * x, SIDE / 2 - scale * y];
  }

  /** One path, whose segments of no length are drawn as dots by their caps. */
  #cloud(
    points: readonly number[],
    labels: readonly number[],
    label: number,
    colour: string,
  ): SVGPathElement {
    const marks = labels.flatMap((each, index) => {
      if (each !== label) return [];
      const [left, top] = this.#place(points[2 * index]!, points[2 * index + 1]!);
      return [`M${left.toFixed(2)} ${top.toFixed(2)}h0`];
    });
    return svgElement('path', {
      ...{ d: marks.join(''), fill: 'none', stroke: colour },
      ...{ 'stroke-width': 1.3, 'stroke-linecap': 'round', 'stroke-opacity': 0.75 },
    });
  }
}

/** In the direction of the class's centre, and at its end to the name. */
function ray(angle: number, nameAngle: number, colour: string): SVGPathElement {
  return svgElement('path', {
    d: `M${SIDE / 2} ${SIDE / 2}L${rim(angle, RIM.ray)}L${rim(nameAngle, RIM.name - 0.03)}`,
    ...{ fill: 'none', stroke: colour, 'stroke-width': 0.5, 'stroke-opacity': 0.8 },
  });
}

function nameAt(angle: number, name: string): SVGTextElement {
  const [left, top] = rim(angle, RIM.name);
  const half = name.length * HALF_CHARACTER;
  const x = Math.min(SIDE - half, Math.max(half, left));
  const made = svgElement('text', { x, y: top + 1.2, 'text-anchor': 'middle' });
  made.textContent = name;
  return made;
}

function rim(angle: number, part: number): [left: number, top: number] {
  return [(SIDE / 2) * (1 + part * Math.cos(angle)), (SIDE / 2) * (1 - part * Math.sin(angle))];
}

/** The angles, moved as little as keeps each at least `apart` from the next: a few rounds of pushing neighbours. */
function spread(angles: readonly number[], apart: number): number[] {
  const room = Math.min(apart, (2 * Math.PI) / angles.length);
  const order = angles.map((_, index) => index).sort((a, b) => angles[a]! - angles[b]!);
  const moved = [...angles];
  for (let round = 0; round < 100; round++) {
    for (const [place, index] of order.entries()) {
      const next = order[(place + 1) % order.length]!;
      const turn = place + 1 === order.length ? 2 * Math.PI : 0;
      const lacking = room - (moved[next]! + turn - moved[index]!);
      if (lacking <= 0) continue;
      moved[index]! -= lacking / 2;
      moved[next]! += lacking / 2;
    }
  }
  return moved;
}
