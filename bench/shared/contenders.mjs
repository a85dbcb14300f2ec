import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findPython } from './python.mjs';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const node = (file) => [process.execPath, path(`../contenders/${file}`)];

/**
 * Who is measured. `prepare()` answers with the command that runs the contender, or with the reason why it cannot.
 * The first one is what the others are compared with.
 */
export const contenders = [
  {
    name: 'margincore',
    label: 'margincore',
    prepare: () => {
      const [facade, addon, prebuilds] = [
        'dist/lib/index.mjs',
        'build/Release/margincore.node',
        'prebuilds',
      ].map((file) => existsSync(path(`../../${file}`)));
      if (facade && (addon || prebuilds)) return { command: node('margincore/worker.mjs') };
      return { reason: 'not built: run npm run setup' };
    },
  },
  {
    name: 'pytorch',
    label: 'PyTorch',
    prepare: () => {
      const { python, reason } = findPython();
      return python ? { command: [python, path('../contenders/pytorch/worker.py')] } : { reason };
    },
  },
  { name: 'convnetjs', label: 'ConvNetJS', prepare: () => ({ command: node('convnetjs.cjs') }) },
  { name: 'tfjs', label: "tfjs 'cpu'", prepare: () => ({ command: node('tfjs.cjs') }) },
];
