/** Processes that train together on two hosts, where the cable between these is cut, or a launcher stands still. */
import { existsSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import {
  expectNear,
  launchers,
  processesOf,
  ranksIn,
  type Started,
  untilNoneIsLeft,
} from '../../support/ranks.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';
import { TWO_HOSTS, testOnTwoHosts, twoHosts } from '../../support/twoHosts.js';

const startOnTwoHosts = twoHosts();
const inFolder = temporaryFolder();
const { script, runWell, results } = ranksIn(inFolder);

/** More than all of a test takes, beside other work too: what is to end says itself how long it may take. */
jest.setTimeout(240_000);
const LIMIT = 200;

const EPOCHS = 6;
const LAST_EPOCH = 4;
const TIMEOUT_SECONDS = 5;
/** In which those who wait ask who is missing, say so, and give their launcher up. */
const SECONDS_TO_END = 12;
const SECONDS_TO_FINALIZE = 30;

/** Each rank says which epoch was its first and what losses there were, or what has ended it. */
const training = (options: string, afterwards = '') =>
  script(`import { execFileSync } from 'node:child_process';
    import { hostname } from 'node:os';
    const say = (what) => writeFileSync(\`\${folder}/\${rank}.json\`, JSON.stringify({ host: hostname(), ...what }));
    const cut = () => {
      execFileSync(${JSON.stringify(TWO_HOSTS)}, ['cut']);
      writeFileSync(\`\${folder}/cut\`, '');
    };
    let first;
    const result = await train({ ...options, epochs: ${EPOCHS}, ${options} }).catch((error) => {
      say({ code: error.code, message: error.message });
      throw error;
    });
    say({ first, losses: result.history.map(({ loss }) => loss) });
    result.model.dispose();
    ${afterwards}`);

/** Throws what the launcher has said, where it ends before. */
async function untilThere(file: string, { ended }: Started): Promise<void> {
  let early: string | undefined;
  void ended.then(({ code, output }) => {
    early = `ended with ${code}: ${output}`;
  });
  while (!existsSync(file)) {
    if (early !== undefined) throw new Error(early);
    await setTimeout(50);
  }
}

async function endedWell({ ended }: Started): Promise<void> {
  const { code, output } = await ended;
  if (code !== 0) throw new Error(`ended with ${code}: ${output}`);
}

describe.each(launchers)('%s', (launcher) => {
  testOnTwoHosts('a cut cable ends both, by name, and what was saved goes on', async () => {
    const checkpoint = `checkpoint: \`\${folder}/run\``;
    const cutting = training(`${checkpoint}, distributed: { timeoutSeconds: ${TIMEOUT_SECONDS} },
      onEpoch({ epoch }) { if (rank === 0 && epoch === ${LAST_EPOCH}) cut(); }`);
    const run = startOnTwoHosts(launcher, cutting, LIMIT);
    await untilThere(inFolder('cut'), run);
    expect(processesOf(cutting)).toHaveLength(2);
    await untilNoneIsLeft(cutting, TIMEOUT_SECONDS + SECONDS_TO_END);
    run.child.kill('SIGKILL'); // what its launcher still waits for
    const { output } = await run.ended;
    const waited = `another rank was waited for longer than ${TIMEOUT_SECONDS} s`;
    expect(results(2)).toEqual(
      ['h1', 'h2'].map((host, rank) => ({
        host,
        code: 'RANK_FAILED',
        message: expect.stringMatching(
          rank === 0
            ? `${waited}: rank 1 \\(h2, process \\d+\\) does not answer: it was last heard of \\d+ s ago, after step 12`
            : `${waited}: rank 0 \\(h1, process \\d+\\) does not answer`,
        ),
      })),
    );
    expect(output).toMatch(/Rank 0 \(h1, process \d+\): MarginCoreError: .*rank 1 \(h2/);

    const resuming = training(
      `${checkpoint}, resume: true, distributed: true, onEpoch({ epoch }) { first ??= epoch; }`,
    );
    await endedWell(startOnTwoHosts(launcher, resuming, LIMIT));
    const resumed = results(2);
    await runWell(undefined, 1, training('distributed: false'));
    const [alone] = results(1);
    for (const { first, losses } of resumed) {
      expect(first).toBe(LAST_EPOCH + 1);
      expectNear(losses, alone.losses);
    }
  });

  testOnTwoHosts('a launcher that stands still keeps nobody whose work is done', async () => {
    const leaving = training(
      'distributed: true',
      `if (rank === 1) process.kill(process.ppid, 'SIGSTOP'); // its host's part of the launcher
      writeFileSync(\`\${folder}/left.\${rank}\`, '');`,
    );
    const run = startOnTwoHosts(launcher, leaving, LIMIT);
    await untilThere(inFolder('left.1'), run);
    await untilNoneIsLeft(leaving, SECONDS_TO_FINALIZE + SECONDS_TO_END);
    run.child.kill('SIGKILL');
    const { output } = await run.ended;
    for (const { losses } of results(2)) expect(losses).toHaveLength(EPOCHS);
    expect(output).not.toContain('MarginCoreError');
  });
});
