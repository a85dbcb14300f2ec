import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A Python that can import torch: $MARGINCORE_PYTHON and no other where it is set, else the checkout's, else python3. */
export function findPython() {
  const chosen = process.env.MARGINCORE_PYTHON;
  const local = fileURLToPath(new URL('../../.venv/bin/python', import.meta.url));
  const reasons = [];
  for (const python of chosen ? [chosen] : [local, 'python3']) {
    const { error, status, stderr } = spawnSync(python, ['-c', 'import torch'], { encoding: 'utf8' });
    if (status === 0) return { python };
    reasons.push(`${shown(python)}: ${error?.code ?? lastLine(stderr)}`);
  }
  return { reason: `no Python that can import torch (${reasons.join('; ')})` };
}

const lastLine = (text) => text.trim().split('\n').at(-1);
const shown = (python) => (python.endsWith('.venv/bin/python') ? '.venv/bin/python' : python);
