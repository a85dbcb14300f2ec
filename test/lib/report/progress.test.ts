import { describeOptions, duration } from '../../../lib/report/format.js';
import { createProgress as create, type Progress } from '../../../lib/report/progress/progress.js';
import { WARNINGS } from '../../../lib/report/warnings.js';
import type { EpochEvent, StepEvent } from '../../../lib/training/events.js';
import type { EffectiveOptions } from '../../../lib/training/job.js';
import type { RunResult, RunStart } from '../../../lib/training/observer.js';

/** A display that shows something. */
const createProgress = (mode: boolean | 'auto', stream: FakeStream) => create(mode, stream) as Progress;

/** Stands in for standard error. Fake timers move `performance.now()` as well. */
class FakeStream {
  written = '';

  constructor(
    readonly isTTY: boolean,
    readonly columns = 80,
    readonly colors = false,
  ) {}

  write(text: string): void {
    this.written += text;
  }

  hasColors(): boolean {
    return this.colors;
  }

  /** Every state that the line with the cursor has had. */
  lines(): string[] {
    return this.written.split(/[\r\n]/).map((line) => line.replace('\x1b[K', ''));
  }
}

const START: RunStart = {
  head: { head: 'arcface', m: 0.5, s: 16 },
  ...{ hasMargin: true, options: {} as EffectiveOptions, done: { steps: 0, epochs: 0 } },
  expectedFirstLoss: 9.87,
  samples: 6000,
  imagesPerStep: 600,
  epochs: 2,
  steps: 20,
  parameters: 225_536,
  embeddingSize: 16,
  device: 'cpu (x86-64-v4)',
  memory: {
    ...{ parameters: 902_144, gradients: 902_144, optimizer: 1_804_288, activations: 52_428_800 },
    ...{ dataset: 4_752_000, streamed: false, workspace: 0 },
  },
};

function step(step: number, changes: Partial<StepEvent> = {}): StepEvent {
  const epoch = step <= 10 ? 1 : 2;
  return { step, steps: 20, epoch, epochs: 2, loss: 9, accuracy: 0.5, ...RATES, ...changes };
}
const RATES = {
  ...{ learningRate: 1e-3, marginRamp: 1, lambda: 0 },
  ...{ gradientNorm: 1, logitGradientNorm: 0.1, pastPi: 0 },
};

const EPOCH: EpochEvent = {
  ...{
    epoch: 1,
    epochs: 2,
    steps: 10,
    loss: 6.31,
    accuracy: 0.712,
    learningRate: 9.5e-4,
    meanLearningRate: 9.8e-4,
  },
  ...{ lambda: 0, pastPi: 0, gradientNorm: 12.3, logitGradientNorm: 0.0123 },
  head: {
    targetAngle: [12.4, 30.6, 61.2],
    nearestOtherAngle: [48.7, 70.2, 88.9],
    featureNorm: [3.04, 5.54, 9.96],
    weightNorm: [0.951, 1, 1.049],
    nearestOwn: 0.9,
    spread: 90,
  },
  ...{ diagnoses: [], seconds: 0.82, imagesPerSecond: 7270.4 },
};

function runEpoch(progress: Progress): void {
  progress.start(START);
  for (let number = 1; number <= 10; number++) {
    jest.advanceTimersByTime(50);
    progress.step(step(number));
  }
  progress.epoch({ ...EPOCH, validation: { accuracy: 0.8, loss: 1 } });
}

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

test.each([
  ['false, on a terminal', false, true],
  ["'auto', off a terminal", 'auto', false],
] as const)('%s: silent', (_, mode, isTTY) => {
  expect(create(mode, new FakeStream(isTTY))).toBe(WARNINGS); // of the process: test/lib/training/notes.test.ts
});

test('true, off a terminal: plain lines, two per epoch', () => {
  const stream = new FakeStream(false);
  const progress = createProgress(true, stream);
  progress.notice({ code: 'CPU_TAKEN', message: 'Training on the CPU' });
  runEpoch(progress);
  progress.end({ accuracy: 0.883, seconds: 75 } as RunResult);
  expect(stream.written.split('\n')).toEqual([
    'note: Training on the CPU',
    'arcface  m 0.5 · s 16',
    '6,000 images · 2 epochs · 20 steps · 225,536 parameters · cpu (x86-64-v4)',
    'memory 58 MiB: parameters 881 KiB · gradients 881 KiB · optimizer 1.72 MiB · activations 50 MiB · images 4.53 MiB',
    "first loss 9.00, an untrained network's is about 9.87",
    'epoch 1/2  loss  6.310  accuracy  71.2 %  validation  80.0 %   0.8 s   7,270 images/s  rate 0.00095',
    '         θ own 31° (12–61) · nearest other 70° (49–89) · ‖x‖ 5.5 (3.0–10.0) · ‖w‖ 1.00 (0.95–1.05) · ‖dz‖ 0.0123',
    'test accuracy 88.3 %, trained in 1:15',
    '',
  ]);
});

test('the memory plan says what is streamed, and what libraries may take', () => {
  const stream = new FakeStream(false);
  const memory = { ...START.memory, dataset: 512, streamed: true, workspace: 288 * 2 ** 20 };
  createProgress(true, stream).start({ ...START, memory });
  expect(stream.written).toContain(
    ' · images 512 bytes (streamed), and workspace for libraries, up to 288 MiB\n',
  );
});

test('a long start, off a terminal: a line every five seconds', () => {
  const stream = new FakeStream(false);
  const progress = createProgress(true, stream);
  progress.start(START);
  const before = stream.written;
  for (let tenth = 1; tenth <= 110; tenth++) {
    jest.advanceTimersByTime(100);
    progress.prepare({ stage: 'drawing weights', fraction: tenth / 200 });
  }
  expect(stream.written.slice(before.length)).toBe('drawing weights 25 %\ndrawing weights 51 %\n');
});

test('a long start, on a terminal: one line that changes, and is gone with the first step', () => {
  const stream = new FakeStream(true);
  const progress = createProgress('auto', stream);
  progress.start(START);
  progress.prepare({ stage: 'drawing weights', fraction: 0.999 });
  progress.prepare({ stage: 'uploading images', fraction: 0.5 });
  progress.step(step(1));
  const lines = stream.lines();
  expect(lines).toContain('drawing weights 99 %');
  expect(lines.indexOf('uploading images 50 %')).toBeGreaterThan(lines.indexOf('drawing weights 99 %'));
  const first = stream.written.indexOf('first loss');
  const erased = '\r\x1b[K';
  expect(stream.written.slice(0, first).endsWith(`uploading images 50 %\x1b[K${erased}${erased}`)).toBe(true);
  progress.end({ error: new Error() });
});

test.each<[string, Partial<EpochEvent>, string]>([
  ['arcface', { margin: { m1: 1, m2: 0.5, m3: 0 } }, ' · ψ(θ + 0.5)'],
  ['am-softmax', { margin: { m1: 1, m2: 0, m3: 0.35 } }, ' · ψ(θ) − 0.35'],
  ['combined', { margin: { m1: 1.25, m2: 0.1, m3: 0.2 } }, ' · ψ(1.25θ + 0.1) − 0.2'],
  [
    'a-softmax, λ and angles past 180°',
    { margin: { m1: 4, m2: 0, m3: 0 }, lambda: 12.345, pastPi: 0.042 },
    ' · ψ(4θ) · λ 12.3 · past 180° 4.2 %',
  ],
])("an epoch's second line of %s", (_, changes, end) => {
  const stream = new FakeStream(false);
  const progress = createProgress(true, stream);
  progress.start(START);
  progress.epoch({ ...EPOCH, epoch: 7, epochs: 12, ...changes });
  const [first, second] = stream.written.split('\n').slice(-3);
  expect(first).toMatch(/^epoch {2}7\/12 {2}loss/);
  // It begins under 'loss'.
  expect(second).toMatch(/^ {11}θ own 31° \(12–61\) · .* · ‖dz‖ 0.0123/);
  expect(second!.slice(second!.indexOf('‖dz‖ 0.0123') + 11)).toBe(end);
});

describe('on a terminal', () => {
  test('images per second of a run that ends within an epoch', () => {
    const stream = new FakeStream(true, 120);
    const progress = createProgress('auto', stream);
    progress.start({ ...START, steps: 12 });
    jest.advanceTimersByTime(900);
    progress.step(step(1, { steps: 12 }));
    jest.advanceTimersByTime(100);
    expect(stream.lines().at(-1)).toContain('  600 images/s');
  });

  test('a live line with means of the epoch, speed and time left', () => {
    const stream = new FakeStream(true, 120);
    const progress = createProgress('auto', stream);
    progress.start(START);
    jest.advanceTimersByTime(900);
    progress.step(step(1, { loss: 10, accuracy: 0.2 }));
    progress.step(step(2, { loss: 8, accuracy: 0.4, marginRamp: 0.25 }));
    jest.advanceTimersByTime(100);
    expect(stream.lines().at(-1)).toBe(
      'epoch 1/2 ━━━───────────────────────────   10 %  loss 9.000  accuracy 30.0 %  margin 25.0 %  9.0 s left  1,200 images/s',
    );
  });

  test('the live line shows λ, where there is one', () => {
    const stream = new FakeStream(true, 120);
    const progress = createProgress('auto', stream);
    progress.start(START);
    progress.step(step(1, { lambda: 886.2 }));
    jest.advanceTimersByTime(100);
    expect(stream.lines().at(-1)).toMatch(/accuracy 50.0 % {2}λ 886 {2}/);
    progress.step(step(2, { lambda: 0 }));
    jest.advanceTimersByTime(100);
    expect(stream.lines().at(-1)).not.toContain('λ');
  });

  test('steps of one group are drawn together, at most ten times a second', () => {
    const stream = new FakeStream(true);
    const progress = createProgress('auto', stream);
    progress.start(START);
    stream.written = '';
    for (let number = 1; number <= 20; number++) {
      progress.step(step(number));
      jest.advanceTimersByTime(20);
    }
    expect(stream.lines().filter((line) => line.startsWith('epoch'))).toHaveLength(4);
  });

  test.each([120, 60, 40, 20, 5])('a line never exceeds %d columns', (columns) => {
    const stream = new FakeStream(true, columns);
    const progress = createProgress('auto', stream);
    progress.start(START);
    stream.written = '';
    progress.step(step(2));
    jest.advanceTimersByTime(100);
    expect(stream.lines().at(-1)!.length).toBeLessThan(columns);
  });

  test('permanent lines stand above the live line, which is gone at the end', () => {
    const stream = new FakeStream(true);
    const progress = createProgress('auto', stream);
    runEpoch(progress);
    jest.advanceTimersByTime(100);
    progress.notice({ code: 'NO_MARGIN', message: 'Something' });
    expect(stream.lines().slice(-2)).toEqual(['note: Something', expect.stringContaining('━')]);
    progress.end({ error: new Error('stopped') });
    expect(stream.lines().at(-1)).toBe('');
    expect(jest.getTimerCount()).toBe(0);
  });

  test('colours only where the stream has them', () => {
    const written = [true, false].map((colors) => {
      const stream = new FakeStream(true, 80, colors);
      runEpoch(createProgress('auto', stream));
      return stream.written;
    });
    expect(written[0]).toContain('\x1b[1m');
    expect(written[1]).not.toContain('\x1b[1m');
  });
});

test.each([
  [4.26, '4.3 s'],
  [59.97, '1:00'],
  [75.4, '1:15'],
  [3675, '1:01:15'],
])('duration of %d seconds', (seconds, expected) => {
  expect(duration(seconds)).toBe(expected);
});

test('options are described whole', () => {
  const options = {
    s: { learn: true, init: 16 },
    easyMargin: false,
    classWeights: [1, 2.5],
    many: new Float32Array(12),
  };
  expect(describeOptions(options)).toBe(
    's { learn: true, init: 16 } · easyMargin false · classWeights [1, 2.5] · many [12 numbers]',
  );
});
