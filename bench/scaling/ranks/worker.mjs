// node worker.mjs JOB: one of the processes that train together with margincore, or one alone.
import { setTimeout } from 'node:timers/promises';
import { train } from '../../../dist/lib/index.mjs';
import addon from '../../../dist/lib/native/load.js';
import protocol from '../../shared/protocol.cjs';
import { dataAndModel } from './dataAndModel.mjs';

/** In which the others, too, end what follows an epoch: it is not in the time, nor is waiting for them. */
const MILLISECONDS_FOR_OTHERS = 250;

const job = protocol.job();
const { OMPI_COMM_WORLD_RANK, PMI_RANK } = process.env;
const isFirst = Number(OMPI_COMM_WORLD_RANK ?? PMI_RANK ?? 0) === 0;
const epochs = job.warmupEpochs + job.epochs;
let [begin, end, seconds] = [0, 0, 0];

async function awaitOthers() {
  if (job.ranks > 1) await setTimeout(MILLISECONDS_FOR_OTHERS);
}

async function onEpoch({ epoch }) {
  if (epoch > job.warmupEpochs) seconds += (end - begin) / 1000;
  await awaitOthers();
  if (epoch === job.warmupEpochs) protocol.report('begin');
  if (epoch === epochs) protocol.report('trained');
  begin = performance.now();
}

const { model, history, environment } = await train({
  ...(await dataAndModel(job)),
  ...job.head,
  ...(job.starter === 'mpi' && { distributed: job.place ? { head: job.place } : true }),
  precision: job.precision,
  batchSize: job.batch,
  epochs,
  optimizer: 'adam',
  learningRate: 1e-3,
  seed: 0,
  device: 'cpu',
  threads: job.threads,
  progress: false,
  ...(isFirst && { onEpoch }),
  onStep() {
    end = performance.now();
  },
});
if (isFirst) {
  await awaitOthers();
  const timed = history.slice(job.warmupEpochs);
  const steps = timed.reduce((sum, each) => sum + each.steps, 0);
  protocol.report('result', {
    images: job.epochs * job.count,
    steps,
    seconds,
    loss: history.at(-1).loss,
    parameters: model.summary().parameters,
  });
  protocol.report('version', { name: 'margincore', version: addon.native().version, environment });
}
model.dispose();
