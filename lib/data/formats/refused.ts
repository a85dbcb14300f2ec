import { type ErrorCode, MarginCoreError } from '../../base/errors.js';

/** What a file should have had, and what it has. */
export function refused(code: ErrorCode, path: string, expected: string, found: string): MarginCoreError {
  return new MarginCoreError(code, `${path}: expected ${expected}, found ${found}`, {
    details: { path, expected, found },
  });
}
