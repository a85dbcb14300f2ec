import { checkHead, resolveHead } from '../../../dist/lib/heads/resolve.js';
import addon from '../../../dist/lib/native/load.js';
import protocol from '../../shared/protocol.cjs';

/** The median time of forward and backward on given arrays, the first (which makes the plans) left out. */
export async function headAlone({ batch, embeddingSize, numClasses, repetitions, head, threads }) {
  const request = {
    backend: 'cpu',
    deviceIndex: 0,
    threads,
    head: resolveHead(checkHead(head), numClasses).native,
    embeddingSize,
    features: uniform(batch * embeddingSize),
    weights: uniform(numClasses * embeddingSize),
    labels: Int32Array.from({ length: batch }, () => Math.floor(Math.random() * numClasses)),
    lambda: 0,
    repetitions: repetitions + 1,
  };
  protocol.report('begin');
  const { loss, seconds } = await addon.native().headLoss(request);
  const times = seconds.slice(1).sort();
  protocol.report('result', { loss, seconds: times[times.length >> 1] });
}

/** In [−1, 1). A loop, for Float32Array.from() would take half a minute for a million classes. */
function uniform(count) {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = 2 * Math.random() - 1;
  return values;
}
