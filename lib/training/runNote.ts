import type { Note, NoteCode } from '../base/note.js';
import type { Diagnosis } from '../diagnoses/diagnosis.js';

/** 'margin-too-large' → 'MARGIN_TOO_LARGE' */
export type CodeOf<Name extends string> = Name extends `${infer Word}-${infer Rest}`
  ? `${Uppercase<Word>}_${CodeOf<Rest>}`
  : Uppercase<Name>;

/** A note on a run's options and data, or a diagnosis the first time that it was made. */
export type RunNote = Note<NoteCode | CodeOf<Diagnosis['name']>>;
