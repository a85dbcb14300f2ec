/** What a contact sheet says, beside its pictures. */
import type { ConfusedPair, Mistake } from '../../metrics/mistakes.js';
import type { Neighbour } from './neighbours.js';

export interface ShownMistake extends Mistake {
  /** The nearest first */
  readonly neighbours: readonly Neighbour[];
}

/** What `contactSheet` resolves to. */
export interface ContactSheet {
  /** Of the split */
  readonly images: number;
  /** Fraction of the samples whose class is right */
  readonly accuracy: number;
  /** How many mistakes there are, shown or not */
  readonly mistakeCount: number;
  /** Of all mistakes, the most frequent first */
  readonly confusedPairs: readonly ConfusedPair[];
  /** Those that are shown, the most confident first */
  readonly mistakes: readonly ShownMistake[];
  /** A page that needs no other file */
  readonly html: string;
}
