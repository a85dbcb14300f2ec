/** A native session beside its own worker: what it answers once it is disposed, and whose jobs a cancel ends. */
import { checkHead, resolveHead } from '../../../lib/heads/resolve.js';
import { linear } from '../../../lib/index.js';
import type { NativeSession } from '../../../lib/native/contract.js';
import { native } from '../../../lib/native/load.js';
import { checkOptimizer, nativeOptimizer } from '../../../lib/training/optimizers.js';

/** For prediction on the CPU, not yet opened. A PEDCC head of many classes opens for seconds: it seeks their centroids. */
function createSession(head: 'softmax' | 'pedcc', classes: number): NativeSession {
  return new (native().Session)({
    backend: 'cpu',
    deviceIndex: 0,
    threads: 1,
    deterministic: true,
    precision: 'fp32',
    seed: 1,
    network: { input: [1, 1, 1], layers: [linear({ outFeatures: 64 })] },
    head: resolveHead(checkHead({ head }), classes).native,
    mean: Float32Array.of(0.5),
    std: Float32Array.of(0.25),
    batchSize: 0,
    optimizer: nativeOptimizer({ optimizer: checkOptimizer('sgd', 'optimizer') }, 1),
  });
}

function code(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return undefined;
}

test('what is asked without waiting is refused from the moment of dispose on', async () => {
  const session = createSession('pedcc', 5000);
  const opening = session.open();
  expect(session.progress()).toBeGreaterThanOrEqual(0);
  session.dispose(); // the worker is busy still, and has not released anything
  const asked = [
    code(() => session.progress()),
    code(() => session.summary),
    code(() => session.parameters()),
    code(() => session.reserveTrainingData(1)),
    code(() => session.infer({ images: Uint8Array.of(1), count: 1 } as never)),
  ];
  expect(asked).toEqual(asked.map(() => 'DISPOSED'));
  await expect(opening).rejects.toMatchObject({ code: 'DISPOSED' });
});

test('what is queued after a cancel does not take it back', async () => {
  const session = createSession('pedcc', 5000);
  const opening = session.open();
  session.cancel();
  const planned = session.plan(0);
  await expect(opening).rejects.toMatchObject({ code: 'DISPOSED' });
  await planned; // is not cancelled with what came before
  session.dispose();
});

test('a cancel while nothing is queued ends nothing', async () => {
  const session = createSession('softmax', 2);
  session.cancel();
  await session.open();
  session.dispose();
});
