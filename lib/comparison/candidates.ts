/** The values of a head's options among which `search` looks where a head is given by its name alone. */
import type { HeadName } from '../heads/options.js';

/** Margins and scales around those of the papers; of a small network on few classes smaller ones do better than those for faces. */
export const CANDIDATES: Readonly<Record<HeadName, Readonly<Record<string, readonly (number | string)[]>>>> =
  {
    softmax: {},
    'l2-softmax': { alpha: [4, 8, 16, 32] },
    normface: { s: [7.5, 16, 30, 64] },
    'l-softmax': { m: [2, 3, 4] },
    'a-softmax': { m: [2, 3, 4] },
    'am-softmax': { m: [0.1, 0.2, 0.35, 0.5], s: [7.5, 16, 30] },
    arcface: { m: [0.1, 0.2, 0.3, 0.5], s: [7.5, 16, 30] },
    combined: { m2: [0.1, 0.3, 0.5], m3: [0.1, 0.2], s: [7.5, 16, 30] },
    pedcc: { m: [0.1, 0.2, 0.35, 0.5], s: [7.5, 10, 16] },
    center: { weight: [0.001, 0.003, 0.01, 0.03] },
    'scaled-bn': { m: [0.5, 0.8, 0.9, 1, 2] },
  };
