/** Training in worker threads: the same numbers as in the main thread, several at once, and ended in the middle. */
import { nodeProgram } from '../../support/nodeProgram.js';

/** In a process of its own, since what goes wrong here would end the tests too. */
async function answers(body: string): Promise<unknown[]> {
  const { stdout, ...rest } = await nodeProgram(`
    const { outcome, outcomeInWorker, trainingWorker } = require('./dist/test/support/workerRun.js');
    (async () => { ${body} })();
  `);
  expect(rest).toEqual({ status: 0, signal: null, stderr: '' });
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

test('a worker computes what the main thread does, and two at once beside it do too', async () => {
  const [alone, together] = await answers(`
    const alone = [await outcome(1), await outcome(2), await outcome(3)];
    console.log(JSON.stringify(alone));
    console.log(JSON.stringify(await Promise.all([outcome(1), outcomeInWorker(2), outcomeInWorker(3)])));
  `);
  expect(together).toEqual(alone);
  expect(new Set(alone as string[]).size).toBe(3);
});

test('a worker that is terminated while it trains leaves the others alone', async () => {
  const [status, milliseconds, before, after, other] = await answers(`
    const before = await outcome(1);
    const [ended, beside] = [await trainingWorker(), outcomeInWorker(1)];
    const started = performance.now();
    console.log(JSON.stringify(await ended.terminate()));
    console.log(JSON.stringify(performance.now() - started));
    console.log(JSON.stringify(before));
    console.log(JSON.stringify(await outcome(1)));
    console.log(JSON.stringify(await beside));
  `);
  expect(status).toBe(1);
  expect(milliseconds).toBeLessThan(10_000);
  expect([after, other]).toEqual([before, before]);
});

test('a worker may exit in the middle, many times', async () => {
  const [statuses] = await answers(`
    const statuses = [];
    for (let i = 0; i < 5; i++) {
      const worker = await trainingWorker({ exits: true });
      statuses.push((await require('node:events').once(worker, 'exit'))[0]);
    }
    console.log(JSON.stringify(statuses));
  `);
  expect(statuses).toEqual([5, 5, 5, 5, 5]);
});

test('a worker may exit while it searches, many times', async () => {
  const { status, signal, stdout, stderr } = await nodeProgram(`
    const { Worker } = require('node:worker_threads');
    const searching = \`
      const { Gallery } = require('./dist/lib/index.js');
      (async () => {
        const rows = { data: new Float32Array(2 ** 23).fill(1), shape: [2 ** 17, 64] };
        const gallery = new Gallery({ embeddingSize: 64, device: 'cpu' });
        await gallery.enrol('all', rows);
        gallery.identify(rows);
        setTimeout(() => process.exit(5), 50);
      })();
    \`;
    (async () => {
      for (let i = 0; i < 3; i++) {
        console.log(await new Promise((resolve) => new Worker(searching, { eval: true }).on('exit', resolve)));
      }
    })();
  `);
  expect({ status, signal, stdout, stderr }).toEqual({
    status: 0,
    signal: null,
    stdout: '5\n5\n5\n',
    stderr: '',
  });
});

test('the process may exit while workers train', async () => {
  const { status, signal, stderr } = await nodeProgram(`
    const { trainingWorker } = require('./dist/test/support/workerRun.js');
    Promise.all([trainingWorker(), trainingWorker()]).then(() => process.exit(6));
  `);
  expect({ status, signal, stderr }).toEqual({ status: 6, signal: null, stderr: '' });
});
