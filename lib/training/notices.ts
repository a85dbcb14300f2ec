import type { Observer } from './observer.js';
import type { CodeOf, RunNote } from './runNote.js';

/** What the user is told, once per code: shown as it is said, and kept for the result. */
export class Notices implements Observer {
  readonly said: RunNote[] = [];

  constructor(private readonly show: (note: RunNote) => void) {}

  /** What recurs may have other numbers in its message: it is told once. */
  say(note: RunNote): void {
    if (this.said.some(({ code }) => code === note.code)) return;
    this.said.push(note);
    this.show(note);
  }

  /** What goes wrong in an epoch is told the first time. */
  epoch({ diagnoses }: Parameters<NonNullable<Observer['epoch']>>[0]): void {
    for (const { name, message } of diagnoses) {
      const code = name.toUpperCase().replaceAll('-', '_') as CodeOf<typeof name>;
      this.say({ code, message: `${name}: ${message}` });
    }
  }
}
