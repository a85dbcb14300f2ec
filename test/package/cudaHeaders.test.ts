/**
 * scripts/compare-cuda-headers.mjs finds each kind of difference: here the simulator's own declarations stand for
 * NVIDIA's, with one of them changed.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';
import { temporaryFolder } from '../support/temporaryFolder.js';

const inFolder = temporaryFolder();
const declarations = join(packageRoot(), 'test/native/cuda_sim/include');

/** A copy of the declarations with one piece of text replaced. */
function copyWith(name: string, before: string, after: string): string {
  const folder = inFolder(name);
  mkdirSync(folder, { recursive: true });
  let found = before === '';
  for (const file of readdirSync(declarations)) {
    const text = readFileSync(join(declarations, file), 'utf8');
    found ||= text.includes(before);
    // The comment, because the compiler takes equal files for one.
    writeFileSync(join(folder, file), `${before === '' ? text : text.replace(before, after)}// ${name}\n`);
  }
  if (!found) throw new Error(`there is no ${before}`);
  return folder;
}

function compare(ours: string, real: string) {
  const script = join(packageRoot(), 'scripts/compare-cuda-headers.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ours, real], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

test('equal declarations are equal, and all of them were compared', () => {
  const { status, stdout, stderr } = compare(declarations, copyWith('real', '', ''));
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const text = readdirSync(declarations)
    .map((file) => readFileSync(join(declarations, file), 'utf8'))
    .join('');
  const functions = text.match(/^CUDA_SIM_API /gm)!.length;
  const values = text.match(/^ {2}CU\w+ = |^ {2}cuda\w+ = |^inline constexpr /gm)!.length;
  expect(stdout).toContain(`${values} values, ${functions} functions and`);
});

test.each([
  ['another value', 'cudaErrorNotReady = 600', 'cudaErrorNotReady = 601', 'cudaErrorNotReady'],
  ['another constant', 'cudaStreamNonBlocking = 1', 'cudaStreamNonBlocking = 2', 'cudaStreamNonBlocking'],
  ['another major version', 'CUDNN_VERSION = 90000', 'CUDNN_VERSION = 100000', 'CUDNN_VERSION'],
  ['a value that is gone', 'CUBLAS_OP_T = 1,', '', 'CUBLAS_OP_T'],
  ['another parameter', 'cudaFree(void* memory)', 'cudaFree(const void* memory)', 'cudaFree'],
  ['another result', 'size_t cudnnGetVersion()', 'int cudnnGetVersion()', 'cudnnGetVersion'],
  [
    'one parameter more',
    'cudaEventQuery(cudaEvent_t event)',
    'cudaEventQuery(cudaEvent_t event, int)',
    'cudaEventQuery',
  ],
  ['another handle', 'cudaStreamDestroy(cudaStream_t', 'cudaStreamDestroy(cudaEvent_t', 'cudaStreamDestroy'],
  ['a function by another name', 'cublasSgemm cublasSgemm_v2', 'cublasSgemm cublasGemmEx', 'cublasSgemm'],
  ['the type of a member', '  int numRegs;', '  long numRegs;', 'cudaFuncAttributes'],
  ['the size of a struct', '  int reserved[3];', '  int reserved[5];', 'cudnnConvolutionFwdAlgoPerf_t'],
  [
    'the order of members',
    '  float time;\n  size_t memory;',
    '  size_t memory;\n  float time;',
    'AlgoPerf_t',
  ],
])('%s is an error that names it', (what, before, after, name) => {
  const { status, stderr } = compare(declarations, copyWith(what, before, after));
  expect(status).toBe(1);
  expect(stderr).toContain(name);
});

test('a declaration that could not be compared is refused, not passed over', () => {
  const ours = copyWith('ours', 'using cudaError_t = cudaError;', 'typedef enum cudaError cudaError_t;');
  expect(compare(ours, declarations)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining(
      'no declaration that can be compared: typedef enum cudaError cudaError_t',
    ),
  });
});
