import { MarginCoreError } from '../../lib/base/errors.js';

/** The MarginCoreError that a call throws or rejects with; anything else fails the test. */
export async function refusal(call: () => unknown): Promise<MarginCoreError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof MarginCoreError) return error;
    throw error;
  }
  throw new Error('Expected a MarginCoreError, but nothing was thrown');
}
