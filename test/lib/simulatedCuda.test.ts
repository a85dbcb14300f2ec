/** What only a simulated device can show where there is no GPU: CUDA chosen by name, end to end, and its failures. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { tryTraining } from '../../lib/cli/doctor/trial.js';
import { backends, Gallery, models, type TrainOptions, train } from '../../lib/index.js';
import { randomNumbers } from '../support/randomModel.js';
import { sample } from '../support/sample.js';
import { testWhere } from '../support/skip.js';
import { temporaryFolder } from '../support/temporaryFolder.js';

const cuda = backends().find(({ name }) => name === 'cuda');
const onSimulation = testWhere(cuda?.simulated === true, 'CUDA is not the simulated device');

onSimulation('train() on the simulated CUDA device follows the CPU, and says what it ran on', async () => {
  const data = await sample(40, 16);
  const run = (device: 'cpu' | 'cuda') =>
    train({
      ...{ data, device, model: models.seedCnn({ embeddingSize: 8 }), batchSize: 8, epochs: 2 },
      ...{ head: 'arcface', s: 16, auxiliary: 'center', logitNormalizer: 'scaled-bn', progress: false },
    });
  const [simulated, cpu] = [await run('cuda'), await run('cpu')];
  for (const { model } of [simulated, cpu]) model.dispose();
  expect(simulated.environment).toMatchObject({ backend: 'cuda', device: 'cuda:0', simulated: true });
  for (const [epoch, record] of simulated.history.entries()) {
    expect(record.loss / cpu.history[epoch]!.loss).toBeCloseTo(1, 5);
    expect(record.gradientNorm / cpu.history[epoch]!.gradientNorm).toBeCloseTo(1, 4);
  }
  expect(simulated.test).toEqual({
    accuracy: cpu.test!.accuracy,
    loss: expect.closeTo(cpu.test!.loss, 4),
  });
});

onSimulation('doctor --train finds the simulated CUDA device near the CPU', async () => {
  const trials = await tryTraining(backends());
  expect(trials.map(({ backend, passed }) => [backend, passed])).toEqual([
    ['cpu', true],
    ['cuda', true],
  ]);
  expect(trials[1]!.difference).toBeLessThan(1e-3);
});

onSimulation('a gallery on the simulated CUDA device answers as on the CPU', async () => {
  const [count, size] = [1500, 12];
  const known = { data: randomNumbers(count * size, 1), shape: [count, size] as [number, number] };
  const asked = { data: randomNumbers(3 * size, 2), shape: [3, size] as [number, number] };
  const names = Array.from({ length: count }, (_, index) => `name ${index % 400}`);
  const answers = await Promise.all(
    (['cuda', 'cpu'] as const).map(async (device) => {
      using gallery = new Gallery({ embeddingSize: size, device });
      await gallery.enrol(names, known);
      await gallery.remove('name 17');
      return await gallery.identify(asked, { top: 5 });
    }),
  );
  const close = answers[1]!.map(({ matches }) => ({
    matches: matches.map(({ name, cosine }) => ({ name, cosine: expect.closeTo(cosine, 5) })),
  }));
  expect(answers[0]).toEqual(close);
});

describe('a run that was broken off on one backend', () => {
  const inFolder = temporaryFolder();
  const OPTIONS = {
    ...{
      model: models.seedCnn({ embeddingSize: 8 }),
      batchSize: 8,
      epochs: 2,
      deterministic: true,
      progress: false,
    },
    ...{ head: 'arcface', s: 16, auxiliary: 'center', logitNormalizer: 'scaled-bn' },
  } satisfies TrainOptions;
  const WAYS = [
    ['cuda', 'cpu'],
    ['cpu', 'cuda'],
    ['cuda', 'cuda'],
  ] as const;

  for (const [from, to] of WAYS) onSimulation(`goes on: from ${from} to ${to}`, () => goesOn(from, to));

  async function goesOn(from: 'cpu' | 'cuda', to: 'cpu' | 'cuda'): Promise<void> {
    const data = await sample(40, 16);
    const kept = { checkpoint: inFolder('run'), checkpointEvery: { steps: 3 } };
    const part = await train({
      ...{ ...OPTIONS, ...kept, data, device: from },
      onStep: ({ step }, { stop }) => (step === 3 ? stop() : undefined),
    });
    part.model.dispose();
    const rest = await train({ ...OPTIONS, ...kept, data, device: to, resume: true });
    const whole = await train({ ...OPTIONS, data, device: to });
    for (const { model } of [rest, whole]) model.dispose();
    const losses = ({ history }: typeof whole) => history.map(({ loss }) => loss);
    expect(losses(rest)).toEqual(
      from === to ? losses(whole) : losses(whole).map((loss) => expect.closeTo(loss, 4)),
    );
    expect(rest.notes.map(({ code }) => code)).toContain('RESUMED');
  }
});

onSimulation('a cuDNN that was built for another CUDA is refused by name', async () => {
  const program = `
    const { backends } = require('margincore');
    console.log(backends().find(({ name }) => name === 'cuda').reason);`;
  expect(await evaluate({ MARGINCORE_SIM_CUDNN_CUDA: '12080' }, program)).toMatch(
    /^cuda: cuDNN 9\.\d+ was found, built for CUDA 12: one for CUDA \d+ is needed$/m,
  );
});

/** What a process with such a device answers: of `train` on 64 images with these options, an error or the result. */
async function trainIn(environment: Record<string, string>, options: string) {
  const program = `
    const { datasets, models, train } = require('margincore');
    (async () => {
      const { train: { images, labels }, ...rest } = await datasets.fashionMnistSample();
      const size = 28 * 28;
      const part = { images: { data: images.data.slice(0, 64 * size), shape: [64, 28, 28, 1] }, labels: labels.slice(0, 64) };
      const run = async (changes) => {
        try {
          const { model, history, notes, environment, test, options } = await train({
            data: { ...part, classNames: rest.classNames }, model: models.seedCnn({ embeddingSize: 8 }),
            head: 'arcface', s: 16, batchSize: 16, epochs: 1, device: 'cuda', progress: false, ...changes,
          });
          model.dispose();
          return { loss: history[0].loss, notes, environment, options };
        } catch ({ code, message, details }) {
          return { code, message, details };
        }
      };
      const answers = [];
      for (const changes of ${options}) {
        answers.push(await run(typeof changes === 'function' ? changes(answers.at(-1)) : changes));
      }
      console.log(JSON.stringify(answers));
    })();`;
  return JSON.parse(await evaluate(environment, program));
}

/** The standard output of a program in a process of its own. */
async function evaluate(environment: Record<string, string>, program: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', program], {
    cwd: packageRoot(),
    env: { ...process.env, ...environment },
  });
  return stdout;
}

onSimulation('tf32 and bf16 train nearly as fp32 does, and say what was in force', async () => {
  const [fp32, tf32, bf16] = await trainIn({}, "[{}, { precision: 'tf32' }, { precision: 'bf16' }]");
  for (const { loss } of [tf32, bf16]) {
    expect(Math.abs(loss / fp32.loss - 1)).toBeLessThan(0.01);
    expect(loss).not.toBe(fp32.loss);
  }
  expect(bf16.options.precision).toBe('bf16');
});

onSimulation('a card without tf32 and bf16 refuses them, and trains in fp32', async () => {
  const [tf32, bf16, fp32] = await trainIn(
    { MARGINCORE_SIM_CAPABILITY: '75' },
    "[{ precision: 'tf32' }, { precision: 'bf16' }, {}]",
  );
  expect(tf32).toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringContaining('tf32 needs compute cap'),
  });
  expect(bf16).toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('capability 7.5') });
  expect(fp32.loss).toBeGreaterThan(0);
});

onSimulation('a device number that this machine does not have is refused', async () => {
  const [answer] = await trainIn({}, "[{ device: 'cuda:9' }]");
  expect(answer).toMatchObject({
    code: 'DEVICE_UNAVAILABLE',
    message: expect.stringContaining('cuda:9: this machine has 1 CUDA device'),
  });
});

onSimulation('a card that this build has no code for is refused before the first launch', async () => {
  const [answer] = await trainIn({ MARGINCORE_SIM_CAPABILITY: '70' }, '[{}]');
  expect(answer).toMatchObject({
    code: 'DEVICE_UNAVAILABLE',
    message: expect.stringContaining('no code for'),
  });
});

onSimulation('images that do not fit are streamed: the same loss, and a note', async () => {
  // Otherwise which algorithms are the fastest is another matter of timing in each of the two.
  const options = '[{ deterministic: true }]';
  const [held] = await trainIn({}, options);
  const [streamed] = await trainIn({ MARGINCORE_SIM_MEMORY: String(400 * 2 ** 20) }, options);
  expect(streamed.loss).toBe(held.loss);
  expect(held.environment.memory.streamed).toBe(false);
  expect(streamed.environment.memory.streamed).toBe(true);
  expect(streamed.notes).toContainEqual({
    code: 'IMAGES_STREAMED',
    message: expect.stringContaining('do not fit into device memory'),
  });
});

onSimulation(
  'out of memory names a smaller batch, and one that follows the advice comes to train',
  async () => {
    const answers = await trainIn(
      { MARGINCORE_SIM_MEMORY: String(38 * 2 ** 20) },
      `[{ batchSize: 64 }, ...Array(4).fill((last) => ({ batchSize: last.details?.batchSize ?? 1 }))]`,
    );
    const [refused] = answers;
    expect(refused.code).toBe('OUT_OF_MEMORY');
    expect(refused.details.needed).toBeGreaterThan(refused.details.free);
    expect(refused.details.batchSize).toBeLessThan(64);
    expect(refused.message).toContain(`A batch of ${refused.details.batchSize} would fit`);
    const trained = answers.findIndex(({ loss }: { loss?: number }) => loss !== undefined);
    expect(trained).toBeGreaterThan(0);
    for (const { code } of answers.slice(0, trained)) expect(code).toBe('OUT_OF_MEMORY');
    // Only the advice led there: 1 is asked for where there was none.
    expect(answers[trained - 1].details.batchSize).toBeGreaterThan(8);
  },
);

onSimulation('a kernel that fails ends the run with the step, and the process lives on', async () => {
  const [failed, again, cpu] = await trainIn(
    { MARGINCORE_SIM_FAIL: 'adam_kernel' },
    "[{}, {}, { device: 'cpu' }]",
  );
  expect(failed.code).toBe('INTERNAL');
  expect(failed.message).toMatch(/^step 1: .*MARGINCORE_CUDA_SYNC=1 names the kernel/);
  expect(again.code).toBeDefined(); // as CUDA has it, the device is lost to this process
  expect(cpu.loss).toBeGreaterThan(0);
});

onSimulation(
  'MARGINCORE_CUDA_SYNC=1 trains the same, and names the kernel, its place and the step',
  async () => {
    const [plain] = await trainIn({}, '[{ deterministic: true }]');
    const [synced] = await trainIn({ MARGINCORE_CUDA_SYNC: '1' }, '[{ deterministic: true }]');
    expect(synced.loss).toBe(plain.loss);
    const [failed] = await trainIn(
      { MARGINCORE_CUDA_SYNC: '1', MARGINCORE_SIM_FAIL: 'max_pool_backward' },
      '[{}]',
    );
    expect(failed).toMatchObject({ code: 'INTERNAL' });
    expect(failed.message).toMatch(
      /^step 1: max_pool_backward: max_pool_backward_kernel<Channels, overlap\.value> failed: .* \(native\/cuda\/kernels\/pooling\.cu:\d+\)/,
    );
  },
);
