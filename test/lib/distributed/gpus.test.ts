/** Processes that train together on GPUs, which are simulated where there are none: NCCL end to end, and its failures. */
import { deviceOfRank } from '../../../lib/distributed/devices.js';
import { backends } from '../../../lib/index.js';
import type { Placement } from '../../../lib/native/backends.js';
import { SimulatedRanks } from '../../support/simulatedRanks.js';
import { testWhere } from '../../support/skip.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const cuda = backends().find(({ name }) => name === 'cuda');
const onSimulation = testWhere(cuda?.simulated === true, 'CUDA is not the simulated device');
const ranksOf = new SimulatedRanks(temporaryFolder());

interface Answer {
  readonly device: string;
  readonly loss: number[];
}

/** On some images of the bundled sample. */
const training = (options: string) => `
const { train: all, classNames } = await datasets.fashionMnistSample();
const part = { images: { data: all.images.data.slice(0, 24 * 784), shape: [24, 28, 28, 1] }, labels: all.labels.slice(0, 24) };
const model = sequential([maxPool2d({ kernelSize: 2 }), conv2d({ outChannels: 4, kernelSize: 3 }), batchNorm(), relu(), maxPool2d({ kernelSize: 3 }),
  linear({ outFeatures: 8 })]);
const result = await train({ data: { ...part, classNames }, model, head: 'arcface', s: 8, batchSize: 8, epochs: 2, progress: false,
  deterministic: true, threads: 1, ...${options} });
answer({ device: result.environment.device, loss: result.history.map(({ loss }) => loss) });
result.model.dispose();
`;

const close = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 4));

for (const head of ['replicated', 'sharded'])
  onSimulation(`processes with a GPU each come to what those on the CPU do, head ${head}`, async () => {
    const on = (device: string) =>
      ranksOf.answers<Answer>({
        ranks: 2,
        body: training(`{ device: '${device}', distributed: { head: '${head}' } }`),
      });
    const found = await on('auto');
    expect(found.map(({ device }) => device)).toEqual(['cuda:0', 'cuda:1']);
    expect(found[1]!.loss).toEqual(found[0]!.loss); // bit for bit
    const onCpu = await on('cpu');
    expect(found[0]!.loss).toEqual(close(onCpu[0]!.loss));
  });

onSimulation('one process with a GPU comes to the same, with others of its run or without', async () => {
  const under = (distributed: string) =>
    ranksOf.answers<Answer>({
      ranks: 1,
      launched: distributed !== 'false',
      body: training(`{ device: 'cuda', distributed: ${distributed} }`),
    });
  const [alone] = await under('false');
  const [launched] = await under('true');
  expect(launched).toEqual(alone); // bit for bit
});

onSimulation('one that dies is named, once its GPU was waited for in vain', async () => {
  const { output, seconds } = await ranksOf.run({
    ranks: 2,
    // So that the launcher leaves it to the others; what it ends with is not theirs then.
    flags: ['--enable-recovery'],
    body: `if (rank === 1) process.env.MARGINCORE_SIM_NCCL_DIE = '1:11';
      ${training(`{ device: 'cuda', distributed: { timeoutSeconds: 15 } }`)}`,
  });
  expect(output).toContain('RANK_FAILED');
  // In the third step; the last that it has told of depends on how many were given to its GPU at once.
  expect(output).toMatch(
    /another rank was waited for longer than 15 s: rank 1 \(.*, process \d+\) ended after step [12]\b/,
  );
  expect(seconds).toBeLessThan(50);
});

onSimulation('one that stands still is waited for no longer than was said', async () => {
  const { code, output, seconds } = await ranksOf.run({
    ranks: 2,
    body: training(`{ device: 'cuda', distributed: { timeoutSeconds: 15 },
      onStep({ step }) { if (rank === 1 && step === 3) process.kill(process.pid, 'SIGSTOP'); } }`),
  });
  expect(code).not.toBe(0);
  expect(output).toContain('RANK_FAILED');
  expect(output).toMatch(/another rank was waited for longer than 15 s: rank 1 \(.*\) does not answer/);
  expect(seconds).toBeLessThan(60);
});

onSimulation('where there is no NCCL it is said how to get it', async () => {
  const { code, output } = await ranksOf.run({
    ranks: 2,
    body: training(`{ device: 'cuda', distributed: true }`),
    environment: { MARGINCORE_NCCL_PATH: '/nowhere' },
  });
  expect(code).not.toBe(0);
  expect(output).toMatch(
    /training by several processes on GPUs needs NCCL: looked for libnccl\.so\.2 in \/nowhere/,
  );
  expect(output).toMatch(/pip install nvidia-nccl-cu13/);
  expect(output).toContain('UNSUPPORTED');
});

onSimulation('processes that one GPU cannot serve are told so', async () => {
  const { code, output } = await ranksOf.run({
    ranks: 2,
    body: training(`{ device: 'auto', distributed: true }`),
    environment: { MARGINCORE_SIM_DEVICES: '1' },
  });
  expect(code).not.toBe(0);
  expect(output).toMatch(/2 processes on this machine cannot share its GPU/);
});

describe('which GPU is whose', () => {
  const placed = (name: string, devices: number) => ({ backend: { name, devices } }) as unknown as Placement;
  const local = (rank: number, size: number) => ({
    OMPI_COMM_WORLD_LOCAL_RANK: String(rank),
    OMPI_COMM_WORLD_LOCAL_SIZE: String(size),
  });

  test('that of the number on the machine, unless the user names one', () => {
    expect(deviceOfRank('auto', placed('cuda', 4), local(3, 4))).toBe('cuda:3');
    expect(deviceOfRank('cuda', placed('cuda', 4), { MPI_LOCALRANKID: '2', MPI_LOCALNRANKS: '3' })).toBe(
      'cuda:2',
    );
    expect(deviceOfRank('cuda', placed('cuda', 2), { SLURM_LOCALID: '1', SLURM_NTASKS_PER_NODE: '2' })).toBe(
      'cuda:1',
    );
    expect(deviceOfRank('cuda:1', placed('cuda', 4), local(3, 4))).toBe('cuda:1');
    expect(deviceOfRank('auto', placed('cuda', 2), {})).toBe('cuda:0');
    expect(deviceOfRank('auto', placed('cpu', 1), local(3, 4))).toBe('auto');
  });

  test('the one that a launcher lets it see', () => {
    expect(deviceOfRank('auto', placed('cuda', 1), { ...local(3, 4), CUDA_VISIBLE_DEVICES: '3' })).toBe(
      'cuda:0',
    );
  });

  test('more processes than GPUs are refused', () => {
    expect(() => deviceOfRank('auto', placed('cuda', 2), local(1, 3))).toThrow(
      /3 processes on this machine cannot share its 2 GPUs/,
    );
  });
});
