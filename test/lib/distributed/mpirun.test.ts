/** Processes that train together, as the launchers of both MPIs start them. */
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { expectNear, isThere, launchers, ranksIn } from '../../support/ranks.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();
const { script, run, runWell, results } = ranksIn(inFolder);

test('both launchers are there: scripts/setup.sh --tests installs them', () => {
  expect(launchers.filter(isThere)).toEqual(launchers);
});

const training = (distributed: string, more = '') => `
const result = await train({ ...options, distributed: ${distributed}, ${more} });
writeFileSync(\`\${folder}/\${rank}.json\`, JSON.stringify({ rank: result.rank, loss: result.history.map((epoch) => epoch.loss),
  accuracy: result.history.at(-1).accuracy }));
result.model.dispose();
`;

describe.each(
  launchers.flatMap((launcher) => ['replicated', 'sharded'].map((head) => [launcher, head] as const)),
)('%s, head %s', (launcher, head) => {
  const distributed = `{ head: '${head}' }`;

  test('several processes come to what one comes to, and to the same', async () => {
    await runWell(undefined, 1, script(training('false')));
    const [one] = results(1);
    for (const ranks of [2, 3]) {
      await runWell(launcher, ranks, script(training(distributed)));
      const found = results(ranks);
      expect(found.map(({ rank }) => rank)).toEqual(Array.from({ length: ranks }, (_, rank) => rank));
      for (const each of found) {
        expect(each.loss).toEqual(found[0].loss); // bit for bit
        expectNear(each.loss, one.loss);
      }
    }
  });

  test('batch norm takes the images of all, and the classes that are drawn are those of one process', async () => {
    const more = `batchSize: 4, sampleClasses: 0.75, data: { images, labels: Int32Array.from({ length: 60 }, (_, i) => i % 24) },
      model: sequential([conv2d({ outChannels: 4, kernelSize: 3 }), batchNorm(), relu(), linear({ outFeatures: 8 })])`;
    await runWell(undefined, 1, script(training('false', more)));
    const [one] = results(1);
    for (const ranks of [2, 3]) {
      await runWell(launcher, ranks, script(training(`{ head: '${head}', syncBatchNorm: true }`, more)));
      for (const each of results(ranks)) expectNear(each.loss, one.loss);
    }
  });

  test('what one has broken off goes on with another number of processes', async () => {
    const keeping = (more: string) =>
      script(`
      const result = await train({ ...options, epochs: 5, checkpoint: \`\${folder}/run\`, ${more} });
      writeFileSync(\`\${folder}/\${rank}.json\`, JSON.stringify(result.history.map((epoch) => epoch.loss)));
      result.model.dispose();
    `);
    const breaking = `distributed: ${distributed}, onEpoch({ epoch }) { if (rank === 1 && epoch === 4) process.exit(3); }`;
    const { code, seconds } = await run(launcher, 2, keeping(breaking));
    expect(code).toBe(3);
    expect(seconds).toBeLessThan(30);
    await runWell(launcher, 3, keeping(`distributed: ${distributed}, resume: true`));
    const found = results(3);
    await rm(inFolder('run'), { recursive: true });
    await runWell(undefined, 1, keeping('resume: false'));
    const [one] = results(1);
    for (const losses of found) {
      expect(losses).toHaveLength(5);
      expectNear(losses, one);
    }
  });

  test('a run that an interrupt ends is saved, and its best model is that of all', async () => {
    const file = (more: string) =>
      script(`const controller = new AbortController();
      process.once('SIGTERM', () => controller.abort(new Error('interrupted')));
      const result = await train({ ...options, epochs: 400, keepBest: true, validation: 0.2, signal: controller.signal, distributed: ${distributed},
        checkpoint: \`\${folder}/run\`, checkpointEvery: { minutes: 60 }, ${more} });
      const { data: embeddings } = await result.model.embed({ data: pixels.subarray(0, 640), shape: [10, 8, 8, 1] });
      writeFileSync(\`\${folder}/\${rank}.json\`, JSON.stringify({ best: result.bestEpoch, epochs: result.history.length,
        embeddings: [...embeddings] }));
      result.model.dispose();`);
    const ended = await run(
      launcher,
      2,
      file(`onEpoch({ epoch }) { if (epoch === 5) process.kill(process.pid, 'SIGTERM'); }`),
    );
    expect(ended.code).not.toBe(0);
    expect(ended.output).toContain('interrupted');
    await runWell(
      launcher,
      2,
      file('resume: true, onEpoch({ epoch }, { stop }) { if (epoch === 9) stop(); }'),
    );
    const [first, second] = results(2);
    expect(first.epochs).toBe(9);
    expect(second).toEqual(first);
  });
});

describe.each(launchers)('%s', (launcher) => {
  test('one that throws ends all, and says why', async () => {
    const file = script(`
      await train({ ...options, distributed: true, onEpoch() { if (rank === 1) throw new Error('out of luck'); } });
    `);
    const { code, output, seconds } = await run(launcher, 2, file);
    expect(code).not.toBe(0);
    expect(output).toContain('out of luck');
    expect(seconds).toBeLessThan(30);
  });

  test('the command line writes once', async () => {
    const cli = join(packageRoot(), 'dist/lib/cli/main.js');
    const flags = ['--steps', '3', '--threads', '1', '--device', 'cpu'];
    const file = script(`process.argv.splice(1, 2, ${JSON.stringify(cli)}, 'train', '--distributed', '--json',
      \`\${folder}/result.json\`, '--save', \`\${folder}/model\`, ...${JSON.stringify(flags)});
      await import(${JSON.stringify(cli)});`);
    const { code, output } = await run(launcher, 2, file);
    expect([code, output.match(/test accuracy .* mean angle/g)?.length]).toEqual([0, 1]);
    expect(JSON.parse(readFileSync(inFolder('result.json'), 'utf8')).history).toHaveLength(1);
  });

  test('one that is killed ends all', async () => {
    const file = script(`
      await train({ ...options, distributed: true, onEpoch() { if (rank === 1) process.kill(process.pid, 'SIGKILL'); } });
    `);
    const { code, seconds } = await run(launcher, 2, file);
    expect(code).not.toBe(0);
    expect(seconds).toBeLessThan(30);
  });

  test('one that stands still is waited for no longer than was said', async () => {
    const file = script(`
      await train({ ...options, distributed: { timeoutSeconds: 2 },
        onEpoch() { if (rank === 1) process.kill(process.pid, 'SIGSTOP'); } });
    `);
    const { code, output, seconds } = await run(launcher, 2, file);
    expect(code).not.toBe(0);
    expect(output).toContain('RANK_FAILED');
    expect(output).toMatch(
      /another rank was waited for longer than 2 s: rank 1 \(.*\) does not answer: it was last heard of \d+ s ago, after step 3/,
    );
    expect(seconds).toBeLessThan(30);
  });

  test('other options, other data, and nobody to train with are refused by name', async () => {
    const other = script(`await train({ ...options, seed: rank, distributed: true });`);
    const differs = await run(launcher, 2, other);
    expect(differs.code).not.toBe(0);
    expect(differs.output).toMatch(/Rank 1 .* has another options than rank 0/);
    const pixelsDiffer = script(`pixels[0] = rank; await train({ ...options, distributed: true });`);
    expect((await run(launcher, 2, pixelsDiffer)).output).toMatch(/Rank 1 .* has another data than rank 0/);
  });

  test('processors that round otherwise are found out after an epoch', async () => {
    const file = script(`if (rank === 1) process.env.ONEDNN_MAX_CPU_ISA = 'SSE41';
      await train({ head: 'arcface', steps: 3, threads: 1, device: 'cpu', distributed: true });`);
    const { code, output } = await run(launcher, 2, file);
    expect(code).not.toBe(0);
    expect(output).toMatch(/Rank 1 .* has another checksum of the weights after step 3 than rank 0/);
  });

  test('batch norm has two rows of every process', async () => {
    const withNorm = `model: sequential([conv2d({ outChannels: 4, kernelSize: 3 }), batchNorm(), relu(), linear({ outFeatures: 8 })])`;
    const few = script(`await train({ ...options, ${withNorm}, batchSize: 3, distributed: true });`);
    expect((await run(launcher, 2, few)).output).toMatch(
      /Expected 4 or more images per step \(batch norm needs two for each of 2 processes\) for batchSize but received 3/,
    );
    const tail = `await train({ ...options, ${withNorm}, batchSize: 29, dropLast, distributed: true }).then(({ model }) => model.dispose());`;
    expect((await run(launcher, 2, script(`const dropLast = false; ${tail}`))).output).toMatch(
      /Of 60 images it leaves 2: dropLast: true leaves these out/,
    );
    await runWell(launcher, 2, script(`const dropLast = true; ${tail}`));
  });

  test('a process whose run was refused ends the others, whatever it says itself', async () => {
    const file = script(`await train({ ...options, seed: rank, distributed: true }).catch(() => undefined);`);
    const { code, seconds } = await run(launcher, 2, file);
    expect(code).not.toBe(0);
    expect(seconds).toBeLessThan(30);
  });

  test('classes that are sharded', async () => {
    const tooMany = script(`await train({ ...options, distributed: { head: 'sharded' } });`);
    expect((await run(launcher, 4, tooMany)).output).toMatch(
      /expected at least one class for each of 4 processes to divide, but there are 3/,
    );
    const early = script(`let refused;
      const result = await train({ ...options, distributed: { head: 'sharded' },
        async onEpoch(_, { model }) { refused = await model.classCentres().catch(({ message }) => message); } });
      const { data: centres } = await result.model.classCentres();
      writeFileSync(\`\${folder}/\${rank}.json\`, JSON.stringify({ refused, values: centres.length }));
      result.model.dispose();`);
    await runWell(launcher, 2, early);
    for (const { refused, values } of results(2)) {
      expect(refused).toMatch(/classes are sharded among the processes while they train/);
      expect(values).toBe(3 * 8);
    }
  });

  test('images are mixed as in one process, where each has the whole head', async () => {
    const mixing = 'batchSize: 7, augment: { crop: 1, flip: true, mixup: 0.5, cutmix: 1 }';
    await runWell(undefined, 1, script(training('false', mixing)));
    const [one] = results(1);
    await runWell(launcher, 3, script(training(`{ head: 'replicated' }`, mixing)));
    for (const each of results(3)) expectNear(each.loss, one.loss);
    const sharded = script(training(`{ head: 'sharded' }`, mixing));
    expect((await run(launcher, 2, sharded)).output).toMatch(
      /no value beside a head whose classes are divided among processes \(distributed: \{ head: 'replicated' \}.*for augment.mixup/,
    );
  });

  test('what could not be told apart is refused', async () => {
    const file = script(`import { Worker } from 'node:worker_threads';
      const both = [1, 2].map(() => train({ ...options, distributed: true }));
      await Promise.allSettled(both).then(([one, two]) => { one.value.model.dispose(); console.log(two.reason.message); });`);
    expect((await run(launcher, 2, file)).output).toMatch(/a run with the other processes is going on/);
  });

  test('processes that do not know of one another are told so', async () => {
    const file = script(`const result = await train(options); result.model.dispose();
      writeFileSync(\`\${folder}/\${rank}.json\`, JSON.stringify(result.notes));`);
    await runWell(launcher, 2, file);
    for (const notes of results(2))
      expect(notes).toEqual([expect.objectContaining({ code: 'NOT_DISTRIBUTED' })]);
  });

  test('a program stops where the first process says so', async () => {
    const file = script(`
      const result = await train({ ...options, epochs: 50, distributed: true,
        onEpoch({ epoch }, { stop }) { if (rank === 0 && epoch === 3) stop(); } });
      writeFileSync(\`\${folder}/\${rank}.json\`, JSON.stringify(result.history.length)); result.model.dispose();
    `);
    await runWell(launcher, 2, file);
    expect(results(2)).toEqual([3, 3]);
  });
});

test('a build without the plugin says so', async () => {
  const file = script(`process.env.MARGINCORE_OPENMPI_LIBRARY = '/nowhere/libmargincore_openmpi.so';
    await train({ ...options, distributed: true });`);
  const { code, output } = await run('openmpi', 2, file);
  expect(code).not.toBe(0);
  expect(output).toMatch(/this build has no plugin for openmpi \(there is no \/nowhere\/.*UNSUPPORTED/s);
});

test("under another MPI's launcher nobody trains in a world of his own", async () => {
  const file = script(`await train({ ...options, distributed: { engine: 'openmpi' } });`);
  const { code, output } = await run('mpich', 2, file);
  expect(code).not.toBe(0);
  expect(output).toMatch(/started as rank 0 of 1, but the launcher says/);
});
