/** What ends a command, and a second time ends it at once: in a process of its own, whose end is seen from outside. */
import { nodeProgram } from '../../support/nodeProgram.js';

/** Work that never ends, whatever is asked of it. */
const STUBBORN = `
  const { interruptible } = require('./dist/lib/cli/interrupt.js');
  interruptible((signal) => {
    signal.addEventListener('abort', () => console.log('asked to end: ' + signal.reason.message));
    console.log('working');
    return new Promise((resolve) => setTimeout(resolve, 60_000));
  });
`;

describe.each(['SIGINT', 'SIGTERM'] as const)('after %s', (first) => {
  test.each(['SIGINT', 'SIGTERM'] as const)('a %s ends a command at once', async (second) => {
    const { status, signal, stdout } = await nodeProgram(STUBBORN, {
      onLine: (line, kill) => kill(line === 'working' ? first : second),
    });
    expect({ status, signal }).toEqual({ status: null, signal: second });
    expect(stdout).toBe(`working\nasked to end: ${first === 'SIGINT' ? 'interrupted' : 'terminated'}\n`);
  });
});

test.each(['SIGINT', 'SIGTERM'] as const)('%s after the work is not waited for', async (signal) => {
  const program = `
    const { interruptible } = require('./dist/lib/cli/interrupt.js');
    interruptible(async () => 'done').then(() => {
      console.log('done');
      setTimeout(() => console.log('still there'), 30_000);
    });
  `;
  const ended = await nodeProgram(program, { onLine: (_, kill) => kill(signal) });
  expect(ended).toEqual({ status: null, signal, stdout: 'done\n', stderr: '' });
});
