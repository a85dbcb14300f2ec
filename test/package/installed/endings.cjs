/** A process that trains with the installed package ends as it is told to, whichever way, and leaves no core dump's signal. */
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');

const TRAIN = `
  const { datasets, train } = require('margincore');
  datasets.fashionMnistSample().then((data) => train({ data, head: 'arcface', epochs: 1000, device: 'cpu', progress: false,
    onStep({ step }) { if (step === 3) { console.log('trains'); then(); } } }));
`;

/** @param then JavaScript, at the third step. */
async function ending(then, signal) {
  const child = spawn(process.execPath, ['-e', `function then() { ${then} }\n${TRAIN}`]);
  let said = '';
  child.stderr.on('data', (text) => (said += text));
  child.stdout.once('data', () => signal && child.kill(signal));
  const [status, by] = await once(child, 'close');
  return { status, by, said };
}

async function main() {
  assert.deepEqual(await ending('process.exit(7)'), { status: 7, by: null, said: '' });
  assert.deepEqual(await ending('', 'SIGTERM'), { status: null, by: 'SIGTERM', said: '' });
  assert.deepEqual(await ending('', 'SIGINT'), { status: null, by: 'SIGINT', said: '' });
  const thrown = await ending("setImmediate(() => { throw new Error('out of luck'); })");
  assert.deepEqual([thrown.status, thrown.by], [1, null]);
  assert.match(thrown.said, /out of luck/);
  console.log('training ends as it is told to');
}

main();
