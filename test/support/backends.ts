import { backends } from '../../lib/index.js';

export const BACKENDS = ['cpu', 'cuda'] as const;

/** Why numbers of this backend cannot be compared on this machine; '' where they can. */
export function whyMissing(name: (typeof BACKENDS)[number]): string {
  const backend = backends().find((candidate) => candidate.name === name);
  if (!backend?.available) return backend?.reason ?? 'not built';
  return backend.simulated ? 'simulated' : '';
}

/** A test in place of those of a backend that is missing: skipped, or failed where the backend has to be there. */
export function reportMissing(name: (typeof BACKENDS)[number], why: string): void {
  const required = name === 'cpu' || process.env.REQUIRE_CUDA === '1';
  const report = required ? it : it.skip;
  report(`runs (this machine: ${why})`, () => {
    throw new Error(`backend ${name}: ${why}`);
  });
}
