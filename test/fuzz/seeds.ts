import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import {
  batchNorm,
  concat,
  conv2d,
  Gallery,
  linear,
  prelu,
  relu,
  residual,
  sequential,
} from '../../lib/index.js';
import { recordsOf } from '../lib/logs/readRecords.js';
import { randomModel } from '../support/randomModel.js';

/** A layer of every kind that has something to be described. */
export const everyLayer = sequential([
  conv2d({ outChannels: 2, kernelSize: 3, padding: 'same' }),
  batchNorm(),
  prelu(),
  residual({ body: [conv2d({ outChannels: 2, kernelSize: 1 })] }),
  concat({ branches: [[], [conv2d({ outChannels: 1, kernelSize: 3, padding: 1 }), relu()]] }),
  linear({ outFeatures: 3 }),
]);

export const INPUT = [6, 6, 1] as const;

/** Small, and with a layer and a head of every kind. */
export async function rightModels(inFolder: (name: string) => string): Promise<Buffer[]> {
  const save = async (name: string, ...parts: Parameters<typeof randomModel>) => {
    using model = await randomModel(...parts);
    await model.save(inFolder(name));
    return readFileSync(inFolder(name));
  };
  return [
    await save('graph', everyLayer, INPUT, { head: 'arcface', auxiliary: 'center' }, 3),
    await save('bn', sequential([linear({ outFeatures: 2 })]), [2, 2, 3], { head: 'scaled-bn' }, 2),
    await save('margin', sequential([linear({ outFeatures: 2 })]), [2, 2, 1], { head: 'l-softmax', m: 2 }, 2),
  ];
}

export async function rightGallery(inFolder: (name: string) => string): Promise<Buffer> {
  using model = await randomModel(
    sequential([linear({ outFeatures: 2 })]),
    [2, 2, 1],
    { head: 'arcface' },
    2,
  );
  using gallery = new Gallery({ model, device: 'cpu' });
  await gallery.enrol(['a', 'b', 'a'], { data: Float32Array.of(1, 0, 0, 1, 1, 1), shape: [3, 2] });
  await gallery.save(inFolder('gallery'));
  return readFileSync(inFolder('gallery'));
}

/** Of another program. */
export const pythonFile = (): Buffer =>
  readFileSync(join(packageRoot(), 'test/lib/files/python.safetensors'));

/** Of this program and of others. */
export const loggedEvents = (): Buffer[] =>
  ['sample', 'pytorch', 'tensorboard'].flatMap((name) =>
    recordsOf(readFileSync(join(packageRoot(), `test/lib/logs/${name}.tfevents`))),
  );
