import type { StepEvent } from '../../training/events.js';
import type { RunStart } from '../../training/observer.js';
import { count, duration, percent, significant } from '../format.js';
import type { Styles } from './terminal.js';

const MAX_BAR = 30;
const MIN_BAR = 10;

/** The text of the line that shows where a run stands. */
export class ProgressBar {
  readonly #startedAt = performance.now();
  #last: StepEvent | undefined;
  /** Steps that were run before: a run that is resumed begins within. */
  #before = 0;
  /** Of the epoch so far: number of steps, sums over them. */
  #steps = 0;
  #loss = 0;
  #accuracy = 0;

  constructor(
    private readonly info: RunStart,
    private readonly style: Styles,
  ) {}

  /** Takes a step in. Loss and accuracy are shown as means of the epoch so far: single steps jump about. */
  add(event: StepEvent): void {
    if (event.epoch !== this.#last?.epoch) this.#steps = this.#loss = this.#accuracy = 0;
    if (this.#last === undefined) this.#before = event.step - 1;
    this.#last = event;
    this.#steps++;
    this.#loss += event.loss;
    this.#accuracy += event.accuracy;
  }

  /** What does not fit the width is left out, from the right. */
  render(width: number): string {
    if (this.#last === undefined) return '';
    const { step, steps, epoch, epochs, marginRamp, lambda } = this.#last;
    const done = step / steps;
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const head = `epoch ${epoch}/${epochs} `;
    const facts = [
      `${Math.floor(100 * done)} %`.padStart(5),
      `loss ${(this.#loss / this.#steps).toFixed(3)}`,
      `accuracy ${percent(this.#accuracy / this.#steps)}`,
      ...(marginRamp < 1 ? [`margin ${percent(marginRamp)}`] : []),
      ...(lambda > 0 ? [`λ ${significant(lambda)}`] : []),
      `${duration((seconds / (step - this.#before)) * (steps - step))} left`,
      `${count((this.info.imagesPerStep * (step - this.#before)) / seconds)} images/s`,
    ];
    const room = width - head.length;
    const tail = fitting(facts, room - MIN_BAR);
    const bar = Math.min(MAX_BAR, room - tail.length);
    if (bar < MIN_BAR) return head.slice(0, Math.max(0, width));
    const full = Math.round(bar * done);
    return `${head}${this.style.accent('━'.repeat(full))}${this.style.dim('─'.repeat(bar - full))}${tail}`;
  }
}

/** As many of the facts as fit, each with two spaces before it. */
function fitting(facts: readonly string[], width: number): string {
  let text = '';
  for (const fact of facts) {
    if (text.length + fact.length + 2 > width) break;
    text += `  ${fact}`;
  }
  return text;
}
