/** The values of a tag, in the order of the file; of very many, as many as a chart can show. */

export type Point = readonly [step: number, value: number];

/** Even */
const MOST = 10_000;

export class Series {
  #kept: Point[] = [];
  #last: Point | undefined;
  /** Each so-manieth is kept */
  #every = 1;
  #seen = 0;

  add(step: number, value: number): void {
    this.#last = [step, value];
    if (this.#seen % this.#every === 0) this.#kept.push(this.#last);
    this.#seen += 1;
    if (this.#kept.length <= MOST) return;
    this.#kept = this.#kept.filter((_, index) => index % 2 === 0);
    this.#every *= 2;
  }

  /** Without what is of this step or a later one. */
  clearFrom(step: number): void {
    this.#kept = this.#kept.filter(([each]) => each < step);
    this.#seen = this.#kept.length * this.#every;
    if (this.#last !== undefined && this.#last[0] >= step) this.#last = this.#kept.at(-1);
  }

  /** With the last, whether it would be kept or not. */
  get points(): readonly Point[] {
    const isKept = this.#last === undefined || this.#last === this.#kept.at(-1);
    return isKept ? this.#kept : [...this.#kept, this.#last!];
  }
}
