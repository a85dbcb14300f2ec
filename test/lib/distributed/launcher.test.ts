import { expectLaunched, launchedBy } from '../../../lib/distributed/launcher.js';
import { checkDistributed, isSharded } from '../../../lib/distributed/options.js';
import { threadsOfRank } from '../../../lib/distributed/threads.js';

describe('launchers are known by what they set', () => {
  test.each([
    ['Open MPI', { OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '4' }, 'openmpi', 1, 4],
    ['MPICH', { PMI_RANK: '0', PMI_SIZE: '2' }, 'mpich', 0, 2],
    ['Slurm with PMIx', { PMIX_RANK: '3', SLURM_NTASKS: '8' }, 'openmpi', 3, 8],
    [
      'Open MPI below Slurm',
      { OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '2', PMIX_RANK: '5', SLURM_NTASKS: '8' },
      'openmpi',
      1,
      2,
    ],
  ] as const)('%s', (_, environment, engine, rank, size) => {
    expect(launchedBy(environment)).toEqual({ engine, rank, size });
  });

  test.each([
    ['nothing', {}],
    ['a rank alone', { PMI_RANK: '1' }],
    ['a rank beyond the world', { PMI_RANK: '2', PMI_SIZE: '2' }],
    ['words', { PMI_RANK: 'one', PMI_SIZE: '2' }],
  ])('%s is none', (_, environment) => {
    expect(launchedBy(environment)).toBeUndefined();
    expect(() => expectLaunched(environment)).toThrow(/was started alone.*mpirun -n 4/);
  });
});

test('options are true or how', () => {
  expect(checkDistributed(false, 'distributed')).toBe(false);
  expect(checkDistributed(true, 'distributed')).toEqual({
    head: 'auto',
    syncBatchNorm: false,
    engine: 'auto',
    timeoutSeconds: 600,
  });
  expect(checkDistributed({ timeoutSeconds: 5 }, 'distributed')).toEqual({
    head: 'auto',
    syncBatchNorm: false,
    engine: 'auto',
    timeoutSeconds: 5,
  });
  expect(() => checkDistributed('yes', 'distributed')).toThrow(
    /Expected true, false or \{ head, syncBatchNorm, engine, timeoutSeconds \} for distributed/,
  );
  expect(() => checkDistributed({ engine: 'gloo' }, 'distributed')).toThrow(/distributed\.engine/);
  expect(() => checkDistributed({ timeout: 5 }, 'distributed')).toThrow(/timeoutSeconds/);
});

test.each([
  ['auto', 19_999, false],
  ['auto', 20_000, true],
  ['sharded', 2, true],
  ['replicated', 1e6, false],
] as const)('head: %s, %i classes', (head, classes, sharded) => {
  expect(isSharded({ head, syncBatchNorm: false, engine: 'auto', timeoutSeconds: 1 }, classes)).toBe(sharded);
});

test('ranks of one machine share its cores, and take none that is not theirs', () => {
  expect(threadsOfRank(1, { OMPI_COMM_WORLD_LOCAL_SIZE: '8' })).toBe(1);
  expect(threadsOfRank(1, {})).toBe(1);
  const alone = threadsOfRank(2, { MPI_LOCALNRANKS: '1' });
  const ofFour = threadsOfRank(2, { MPI_LOCALNRANKS: '4' });
  expect(ofFour).toBeLessThanOrEqual(alone);
  expect(ofFour).toBeGreaterThanOrEqual(1);
});
