/** A row for each class: its name, a bar in its colour, its probability. */
import type { Site } from '../site.js';
import { element } from './elements.js';

const NOTHING = 'Nothing drawn yet';

interface Row {
  readonly item: HTMLLIElement;
  readonly bar: HTMLElement;
  readonly percent: HTMLElement;
}

export class ClassBars {
  readonly #names: readonly string[];
  readonly #rows: readonly Row[];
  readonly #answer = element('answer', HTMLElement);
  #said = NOTHING;

  constructor({ classNames, colours }: Site) {
    this.#names = classNames;
    this.#rows = classNames.map((name, label) => rowOf(name, colours[label]!));
    element('classes', HTMLOListElement).replaceChildren(...this.#rows.map(({ item }) => item));
  }

  /** @param probabilities (C) */
  show(probabilities: Float32Array): void {
    const best = probabilities.indexOf(Math.max(...probabilities));
    for (const [label, { item, bar, percent }] of this.#rows.entries()) {
      const probability = probabilities[label]!;
      item.dataset.probability = String(probability);
      item.classList.toggle('best', label === best);
      bar.style.width = `${100 * probability}%`;
      percent.textContent = inPercent(probability);
    }
    this.#said = `${this.#names[best]!}, ${inPercent(probabilities[best]!)}`;
  }

  clear(): void {
    for (const { item, bar, percent } of this.#rows) {
      delete item.dataset.probability;
      item.classList.remove('best');
      bar.style.width = '0';
      percent.textContent = '–';
    }
    this.#said = NOTHING;
    this.announce();
  }

  /** To readers of screens too, who would not follow every frame. */
  announce(): void {
    this.#answer.textContent = this.#said;
  }
}

function rowOf(name: string, colour: string): Row {
  const item = document.createElement('li');
  const [text, track, bar, percent] = ['span', 'div', 'div', 'span'].map((tag) =>
    document.createElement(tag),
  ) as [HTMLElement, HTMLElement, HTMLElement, HTMLElement];
  text.textContent = name;
  track.className = 'track';
  bar.className = 'bar';
  bar.style.background = colour;
  percent.className = 'percent';
  percent.textContent = '–';
  track.append(bar);
  item.append(text, track, percent);
  return { item, bar, percent };
}

function inPercent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`;
}
