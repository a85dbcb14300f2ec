/** What a user is told of options and data that are allowed, but will not do what they seem to ask for. */

/** What a note is about, so that a program can tell notes apart. */
export type NoteCode =
  | 'BATCH_LARGER_THAN_DATA'
  | 'CHECKPOINT_FAILED' // to be written
  | 'CLASSES_LEFT_OUT' // that have too few images
  | 'CPU_TAKEN' // by device 'auto'
  | 'DATA_INCOMPLETE' // fewer images than were published
  | 'DECODED_ANEW' // pictures that changed
  | 'EMPTY_CLASSES' // classes without a training image
  | 'FOLDERS_LEFT_OUT' // of a data set that has several to test on
  | 'FROZEN_UNTRAINED' // layers, as their random weights are
  | 'IMAGES_STREAMED' // they do not fit into device memory
  | 'LAMBDA_STAYS_HIGH'
  | 'LAST_BATCH_JOINED'
  | 'LOG_FAILED' // to be written
  | 'MARGIN_WARMUP_BEYOND_END' // of the run
  | 'MILESTONES_BEYOND_END'
  | 'NOT_DISTRIBUTED' // though a launcher has started several processes
  | 'NO_MARGIN' // but options that are about one
  | 'NO_SCALE_SUFFICES' // for this margin
  | 'PRECISION_CHANGED'
  | 'PREPROCESSING_DIFFERS' // of the model from that of its data
  | 'RESUMED' // from a checkpoint
  | 'SCALE_TOO_SMALL'
  | 'SPLITS_LEFT_OUT' // of a list that has several to test on
  | 'TEST_IMAGES_TRAINED_ON'
  | 'WEIGHTS_INCOMPLETE' // a file of weights lacks some of the network's, or has others
  | 'WARMUP_BEYOND_END'; // of the learning rate

/** Something a user is told that is no error. `code` tells notes apart. */
export interface Note<Code extends string = NoteCode> {
  readonly code: Code;
  /** One or more sentences: what is so, and what to do about it. */
  readonly message: string;
}

/** An item of a list of notes: nothing where there is nothing to say. */
export function note(code: NoteCode, message: string | undefined): Note[] {
  return message === undefined ? [] : [{ code, message }];
}
