import type { Observer } from './observer.js';

/** What the user is told, once each: shown as it is said, and kept for the result. */
export class Notices implements Observer {
  readonly said: string[] = [];
  readonly #subjects = new Set<string>();

  constructor(private readonly show: (text: string) => void) {}

  /** @param subject What recurs may have other numbers in it: it is told once. */
  say(text: string, subject = text): void {
    if (this.#subjects.has(subject)) return;
    this.#subjects.add(subject);
    this.said.push(text);
    this.show(text);
  }

  /** What goes wrong in an epoch is told the first time. */
  epoch({ diagnoses }: Parameters<NonNullable<Observer['epoch']>>[0]): void {
    for (const { name, message } of diagnoses) this.say(`${name}: ${message}`, name);
  }
}
