/** Precisions on the CPU: bf16 where the processor multiplies such numbers, a refusal that says why where not. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { models, type Precision, train } from '../../../lib/index.js';
import { BACKENDS } from '../../support/backends.js';
import { sample } from '../../support/sample.js';
import { testWhere } from '../../support/skip.js';

const multiplies = /\b(avx512_bf16|amx_bf16)\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));
const onCpu = testWhere(BACKENDS.includes('cpu'), 'the CPU is tested by another run');
const inBf16 = multiplies ? onCpu : testWhere(false, 'this processor has neither AVX512_BF16 nor AMX');

async function trainIn(precision: Precision) {
  const { model, ...result } = await train({
    ...{ data: await sample(640, 200), model: models.seedCnn({ embeddingSize: 32 }), head: 'arcface', s: 16 },
    ...{ epochs: 3, batchSize: 32, precision, device: 'cpu', progress: false },
  });
  model.dispose();
  return result;
}

inBf16('bf16 on the CPU trains nearly as fp32 does', async () => {
  const [fp32, bf16] = [await trainIn('fp32'), await trainIn('bf16')];
  for (const [epoch, { loss }] of bf16.history.entries()) {
    expect(Math.abs(loss / fp32.history[epoch]!.loss - 1)).toBeLessThan(0.03);
    expect(loss).not.toBe(fp32.history[epoch]!.loss);
  }
  expect(Math.abs(bf16.test!.accuracy - fp32.test!.accuracy)).toBeLessThan(0.05);
  expect(bf16.options.precision).toBe('bf16');
  expect(bf16).toMatchObject({ environment: { backend: 'cpu' }, notes: [] });
});

onCpu('bf16 is refused where the processor does not multiply it, and tf32 means fp32', async () => {
  const program = `
    const { datasets, models, train } = require('margincore');
    (async () => {
      const answers = [];
      for (const precision of ['bf16', 'tf32']) {
        try {
          const { train: { images, labels }, classNames } = await datasets.fashionMnistSample();
          const few = { data: images.data.slice(0, 16 * 784), shape: [16, 28, 28, 1] };
          const { model, options, notes } = await train({
            data: { images: few, labels: labels.slice(0, 16), classNames }, model: models.seedCnn({ embeddingSize: 8 }),
            epochs: 1, precision, device: 'cpu', progress: false,
          });
          model.dispose();
          answers.push({ precision: options.precision, notes });
        } catch ({ code, message }) {
          answers.push({ code, message });
        }
      }
      console.log(JSON.stringify(answers));
    })();`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', program], {
    cwd: packageRoot(),
    env: { ...process.env, ONEDNN_MAX_CPU_ISA: 'AVX2' },
  });
  const [bf16, tf32] = JSON.parse(stdout);
  expect(bf16).toEqual({
    code: 'UNSUPPORTED',
    message: expect.stringMatching(/precision bf16 needs a processor with AVX512_BF16 or AMX/),
  });
  expect(tf32).toEqual({
    precision: 'fp32',
    notes: expect.arrayContaining([
      { code: 'PRECISION_CHANGED', message: expect.stringContaining('the CPU has no tf32') },
    ]),
  });
});
