/** Every way in which margincore refuses or fails, so that a program can branch on `error.code`. What each means: [errors](../../docs/errors.md). */
export type ErrorCode =
  | 'INVALID_OPTION'
  | 'INVALID_DATA'
  | 'FILE_NOT_FOUND'
  | 'FILE_CORRUPT'
  | 'FILE_NOT_WRITTEN'
  | 'NEWER_VERSION'
  | 'CHECKPOINT_MISMATCH'
  | 'CHECKPOINT_EXISTS'
  | 'LOG_EXISTS'
  | 'FOLDER_IN_USE'
  | 'FILE_IN_USE'
  | 'WEIGHTS_MISMATCH'
  | 'GALLERY_MISMATCH'
  | 'SHAPE_MISMATCH'
  | 'DEVICE_UNAVAILABLE'
  | 'UNSUPPORTED'
  | 'OUT_OF_MEMORY'
  | 'NON_FINITE'
  | 'RANK_FAILED'
  | 'RANKS_DIFFER'
  | 'DISPOSED'
  | 'NATIVE_MODULE_NOT_FOUND'
  | 'BUILD_FAILED'
  | 'INTERNAL';

/** The one error class of this package. `code` says what kind it is, `details` carries numbers that a program may want. */
export class MarginCoreError extends Error {
  override readonly name = 'MarginCoreError';

  /**
   * Made by this package; a program has no need to.
   * @param options `cause`: what it came from; `details`: see there.
   */
  constructor(
    /** What kind it is. */
    readonly code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.details = options.details ?? {};
  }

  /** Numbers, paths and names that the message is made of; which, [errors](../../docs/errors.md) says by code. */
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
