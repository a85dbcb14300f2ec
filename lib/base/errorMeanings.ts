/** What each code means and what helps: docs/errors.md is made of it. A code forgotten is a compile error. */
import type { ErrorCode } from './errors.js';

interface ErrorMeaning {
  readonly what: string;
  readonly remedy: string;
  /** What `details` carries. */
  readonly details?: string;
}

export const ERROR_MEANINGS: Readonly<Record<ErrorCode, ErrorMeaning>> = {
  INVALID_OPTION: {
    what: 'An option or argument is unknown, of the wrong type, or out of its range.',
    remedy: 'Give what the message says was expected.',
    details: '`option`',
  },
  INVALID_DATA: {
    what: 'Images, labels or embeddings whose shapes or values cannot be used, or pictures that lie where they cannot belong.',
    remedy: 'Correct what is named; `margincore data inspect` lists what is wrong with a data set.',
  },
  FILE_NOT_FOUND: {
    what: 'A file or folder is not there, cannot be read, or is a folder of none of the known formats.',
    remedy: 'Check the path and its permissions.',
    details: '`path`',
  },
  FILE_CORRUPT: {
    what: 'A file is cut short, is not of the format that it claims, or has another checksum than it says.',
    remedy: 'Bring it anew from where it came. Nothing of it was used.',
    details: '`path`',
  },
  FILE_NOT_WRITTEN: {
    what: 'A file could not be written: the disk is full, or the folder read-only. What lay there before still does.',
    remedy: 'Make room or choose another folder; a run goes on from its last checkpoint with `resume`.',
    details: "`path`, and the system's `reason`",
  },
  NEWER_VERSION: {
    what: 'A newer margincore wrote the file.',
    remedy: 'Install that version.',
    details: '`path`',
  },
  CHECKPOINT_MISMATCH: {
    what: 'The checkpoint is of another run: its network, data or options differ, or it is further on than this run goes.',
    remedy:
      'Give the options it was made with, or another folder; `resetHead` goes on with another head or other classes.',
    details: '`path`, `option`, `found` and `expected`',
  },
  CHECKPOINT_EXISTS: {
    what: 'A new run would begin in a folder that has checkpoints.',
    remedy: 'Go on there with `resume: true`, or choose another folder.',
    details: '`path` and `newest`',
  },
  LOG_EXISTS: {
    what: "A new run would begin in a folder that has another run's log.",
    remedy: 'Choose another `logDir`; a resumed run goes on in its own.',
    details: '`path`',
  },
  FOLDER_IN_USE: {
    what: 'Another run keeps its checkpoints in this folder.',
    remedy: 'Wait until it has ended, or choose another folder.',
    details: '`path` and `owner`',
  },
  FILE_IN_USE: {
    what: 'Another process changes this file.',
    remedy: 'Try again when it is done.',
    details: '`path` and `owner`',
  },
  WEIGHTS_MISMATCH: {
    what: 'A file of weights does not fit the network.',
    remedy: 'Take the network, width and embedding size that the weights were made for.',
    details: '`path`',
  },
  GALLERY_MISMATCH: {
    what: "A gallery's embeddings are of another model, and cannot be compared with this one's.",
    remedy: 'Load it with the model it was made with, or enrol anew.',
    details: '`path`',
  },
  SHAPE_MISMATCH: {
    what: 'Layers of a network do not fit each other, or images do not fit the network.',
    remedy: 'Change the layer that is named, or bring the images to the size that was expected.',
  },
  DEVICE_UNAVAILABLE: {
    what: 'The device that was asked for is not there, or its libraries could not be loaded.',
    remedy:
      "`margincore doctor` says what is missing and where it was looked for; `device: 'cpu'` does without.",
    details: '`backend`, `reason` and `path`',
  },
  UNSUPPORTED: {
    what: 'The operation, precision or format exists, but not on this backend or for this head or network.',
    remedy: 'Take what the message names instead.',
  },
  OUT_OF_MEMORY: {
    what: 'There is not enough memory, on the device or on the host.',
    remedy: 'A smaller `batchSize`, smaller images, or fewer images at a time.',
    details: '`needed` and `free` in bytes, and `batchSize`, one that would fit; each where it is known',
  },
  NON_FINITE: {
    what: 'A loss, gradient or parameter became NaN or infinite. That step changed no parameter.',
    remedy: 'A lower `learningRate`, a longer warm-up, or a smaller scale `s`.',
    details:
      '`step`, `tensor`, `learningRate`, and `model` with the last good weights, which is yours to dispose',
  },
  RANK_FAILED: {
    what: 'Another process that trains with this one has ended, or was waited for too long.',
    remedy: 'See what that process says, and start all of them anew; with checkpoints they go on.',
  },
  RANKS_DIFFER: {
    what: 'Processes that train together have other options or data, or compute other bits.',
    remedy: 'Start all of them with the same options, on the same files and the same kind of machine.',
    details: '`rank` and `option`, where it is known',
  },
  DISPOSED: {
    what: "The object's native memory was released before.",
    remedy: 'Call `dispose()` last; a model lent to `onEpoch` is for that callback alone.',
  },
  NATIVE_MODULE_NOT_FOUND: {
    what: 'The native addon is not there or could not be loaded, or a bundler has left it behind.',
    remedy: 'Run the command that the message names; leave margincore out of bundles.',
    details: '`failures`: each `file` that was tried, and the `reason`',
  },
  BUILD_FAILED: {
    what: '`margincore build` could not compile the addon.',
    remedy: 'See to what the message names as missing, and run it again.',
  },
  INTERNAL: {
    what: 'A fault of margincore itself.',
    remedy: 'Please report it, with the message and `margincore doctor`.',
  },
};
