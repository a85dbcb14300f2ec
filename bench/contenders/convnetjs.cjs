// The seed CNN in ConvNetJS. It has neither an ArcFace head nor Adam: softmax and its closest method, windowgrad
// (RMSProp), take their place, which is less work per step than the others do.
const convnet = require('convnetjs');
const { load, normalization, randomRows } = require('../shared/data.cjs');
const { job: readJob, report } = require('../shared/protocol.cjs');

const job = readJob();
const data = load(job);
const { mean, std } = normalization(data.images);

const net = new convnet.Net();
net.makeLayers([
  { type: 'input', out_sx: data.width, out_sy: data.height, out_depth: 1 },
  { type: 'conv', sx: 5, filters: 32, stride: 1, pad: 0, activation: 'relu' },
  { type: 'pool', sx: 2, stride: 2 },
  { type: 'conv', sx: 3, filters: 64, stride: 1, pad: 0, activation: 'relu' },
  { type: 'pool', sx: 2, stride: 2 },
  { type: 'fc', num_neurons: 1024 },
  { type: 'softmax', num_classes: 10 },
]);
// A tenth of the others' rate: windowgrad does not correct the bias of its first steps, which diverge at 1e-3.
const trainer = new convnet.Trainer(net, { method: 'windowgrad', learning_rate: 1e-4 });

function step(rows) {
  trainer.batch_size = rows.length;
  let loss = 0;
  for (const row of rows) {
    const volume = new convnet.Vol(data.width, data.height, 1, 0);
    for (let i = 0; i < data.pixels; i++) {
      volume.w[i] = (data.images[row * data.pixels + i] / 255 - mean) / std;
    }
    loss += trainer.train(volume, data.labels[row]).loss;
  }
  return loss / rows.length;
}

step(randomRows(job.limit, job.warmupBatch).next().value);
trainer.k = 0; // it updates when its count of images is a multiple of the batch size

const batches = randomRows(job.limit, job.batch);
report('begin');
const start = performance.now();
let loss;
for (let i = 0; i < job.steps; i++) loss = step(batches.next().value);
report('result', {
  images: job.steps * job.batch,
  seconds: (performance.now() - start) / 1000,
  loss,
  note: 'softmax head, RMSProp: it has no ArcFace and no Adam',
});
report('version', { name: 'ConvNetJS', version: require('convnetjs/package.json').version });
