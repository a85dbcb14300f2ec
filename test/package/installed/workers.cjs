/** Eight worker threads train with the installed package at once, one of them with an option that is refused. */
const assert = require('node:assert/strict');
const { once } = require('node:events');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { datasets, train } = require('margincore');

const WORKERS = 8;
const REFUSED = 3;

async function work() {
  const options = {
    head: 'arcface',
    s: 16,
    steps: 5,
    batchSize: 32,
    threads: 1,
    device: 'cpu',
    progress: false,
  };
  const m = workerData === REFUSED ? -1 : 0.5;
  const data = await datasets.fashionMnistSample();
  const result = await train({ ...options, data, m }).catch(({ code, message }) => ({ code, message }));
  result.model?.dispose();
  parentPort.postMessage({ loss: result.history?.at(-1).loss, code: result.code, message: result.message });
}

async function main() {
  const workers = Array.from(
    { length: WORKERS },
    (_, index) => new Worker(__filename, { workerData: index }),
  );
  const answers = await Promise.all(
    workers.map(async (worker) => {
      const [[answer], [status]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
      assert.equal(status, 0);
      return answer;
    }),
  );
  for (const [index, { loss, code, message }] of answers.entries()) {
    if (index === REFUSED) {
      assert.equal(code, 'INVALID_OPTION');
      assert.match(message, /\bm\b.*-1/);
    } else assert.equal(loss, answers[0].loss); // the same seed: the same steps
  }
  assert.ok(Number.isFinite(answers[0].loss));
  console.log(`${WORKERS} workers have trained at once`);
}

if (isMainThread) main();
else work();
