import { backends } from '../../lib/index.js';
import { testWhere } from './skip.js';

/** MARGINCORE_TESTED_BACKENDS names one, where another run tests the others. */
const tested = process.env.MARGINCORE_TESTED_BACKENDS;
export const BACKENDS = (['cpu', 'cuda'] as const).filter((name) => tested === undefined || name === tested);

/** Why numbers of this backend cannot be compared on this machine; '' where they can. */
export function whyMissing(name: (typeof BACKENDS)[number]): string {
  const backend = backends().find((candidate) => candidate.name === name);
  return backend?.available ? '' : (backend?.reason ?? 'not built');
}

/** A test in place of those of a backend that is missing: skipped, or failed where the backend has to be there. */
export function reportMissing(name: (typeof BACKENDS)[number], why: string): void {
  const required = name === 'cpu' || process.env.REQUIRE_CUDA === '1';
  testWhere(required, `everything on ${name}: ${why}`)('runs', () => {
    throw new Error(`backend ${name}: ${why}`);
  });
}
