/** Trains with options that the compiler checks, on a device that is asked for: npm start, or node dist/train.js cuda */
import {
  type Device,
  datasets,
  type EpochRecord,
  MarginCoreError,
  type TrainOptions,
  train,
} from 'margincore';

const device = (process.argv[2] ?? 'auto') as Device;

const options: TrainOptions = {
  data: await datasets.fashionMnistSample(),
  head: 'am-softmax',
  m: 0.35,
  s: 16,
  epochs: 2,
  validation: 0.1,
  device,
};

const lineOf = ({ epoch, loss, validation }: EpochRecord) =>
  `epoch ${epoch}: loss ${loss.toFixed(2)}, validation ${(100 * validation!.accuracy).toFixed(1)} %`;

try {
  const { model, history, environment } = await train(options);
  console.log(`trained on ${environment.backend}`);
  for (const record of history) console.log(lineOf(record));
  model.dispose();
} catch (error) {
  if (!(error instanceof MarginCoreError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
