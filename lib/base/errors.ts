/** Every way in which margincore refuses or fails, so that a program can branch on `error.code`. */
export type ErrorCode =
  | 'INVALID_OPTION' // an option is unknown, of the wrong type, or out of its range
  | 'INVALID_DATA' // arrays whose shapes, labels or values cannot be trained on
  | 'FILE_NOT_FOUND'
  | 'FILE_CORRUPT' // truncated, not the format it claims, or a checksum that differs
  | 'FILE_NOT_WRITTEN' // the disk is full, the folder read-only; details: path, and the system's reason
  | 'NEWER_VERSION' // a file that a newer margincore wrote
  | 'CHECKPOINT_MISMATCH' // what is to be resumed is another run; details: option, found and expected
  | 'CHECKPOINT_EXISTS' // in a folder where a new run would begin
  | 'LOG_EXISTS' // in a folder where that of a new run would begin
  | 'FOLDER_IN_USE' // by another run
  | 'FILE_IN_USE' // by another process that changes it
  | 'WEIGHTS_MISMATCH' // a file of weights that does not fit the network
  | 'GALLERY_MISMATCH' // a gallery whose embeddings are another model's
  | 'SHAPE_MISMATCH' // a network whose layers do not fit each other or the data
  | 'DEVICE_UNAVAILABLE'
  | 'UNSUPPORTED' // an operation or precision that this backend does not have
  | 'OUT_OF_MEMORY' // details: needed and free, in bytes, and batchSize, one that would fit, where there is one
  | 'NON_FINITE' // a loss, gradient or parameter became NaN or infinite
  | 'RANK_FAILED' // another process that trains with this one has ended, or was waited for too long
  | 'RANKS_DIFFER' // processes that train together have other options or data
  | 'DISPOSED' // the object's native memory was already released
  | 'NATIVE_MODULE_NOT_FOUND'
  | 'BUILD_FAILED' // of the addon, by `margincore build`
  | 'INTERNAL'; // a fault of margincore itself; please report it

/** The one error class of this package. `code` says what kind it is, `details` carries numbers that a program may want. */
export class MarginCoreError extends Error {
  override readonly name = 'MarginCoreError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.details = options.details ?? {};
  }

  readonly details: Readonly<Record<string, unknown>>;
}

/** `Expected <what> for <option> but received <value> of type <type>`: the one shape of an option's refusal. */
export function invalidOption(
  option: string,
  expected: string,
  received: unknown,
  hint = '',
): MarginCoreError {
  return new MarginCoreError(
    'INVALID_OPTION',
    `Expected ${expected} for ${option} but received ${show(received)} of type ${typeName(received)}${hint && `. ${hint}`}`,
    { details: { option } },
  );
}

/** Whatever the value is: a proxy or a getter may throw. */
function typeName(value: unknown): string {
  if (value === null) return 'null';
  try {
    if (Array.isArray(value)) return 'array';
    if (typeof value === 'object') return value.constructor?.name ?? 'object';
  } catch {
    return 'object';
  }
  return typeof value;
}

function show(value: unknown): string {
  try {
    return describe(value);
  } catch {
    return 'something that cannot be shown';
  }
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'function') return `function ${value.name || '(anonymous)'}`;
  if (ArrayBuffer.isView(value))
    return `${typeName(value)}(${(value as Uint8Array).length ?? value.byteLength})`;
  if (Array.isArray(value) && value.length > 20) return `array(${value.length})`; // writing out pixels takes seconds
  if (typeof value === 'object' && value !== null) {
    const text = safeJson(value);
    return text.length > 80 ? `${text.slice(0, 77)}...` : text;
  }
  return String(value);
}

function safeJson(value: object): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
