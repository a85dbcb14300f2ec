/**
 * The tests of whole training of one network: each of its heads, on each backend. Stage by stage, so that the first stage
 * that disagrees names what is wrong: weights, forward pass, gradients, updates, prediction.
 */

import { BACKENDS, reportMissing, whyMissing } from '../support/backends.js';
import {
  type Digest,
  distance,
  exceeding,
  type Limit,
  type Limits,
  type NetworkReference,
  norm,
  type OptimizerName,
  spread,
} from './reference.js';
import { centroids, run, type Suite, type Tensors } from './referenceRun.js';

function kindOfMoved({ tensors }: NetworkReference, optimizer: OptimizerName, tensor: string): Limit {
  if (optimizer === 'adam') return 'movedAdam';
  if (tensor.endsWith('.bias')) return 'movedBiases';
  if (!tensor.endsWith('.weight')) return 'movedRest';
  return tensors[tensor]!.shape.length > 1 ? 'movedWeights' : 'movedScales';
}

type Received = Awaited<ReturnType<typeof run>>;

/** Named arrays of one moment of training, and what they must be. */
interface Stage {
  name: string;
  title: string;
  expected: Record<string, Digest>;
  received(run: Received): Partial<Record<string, ArrayLike<number>>>;
  limit(array: string): number;
}

function differences(final: Tensors, initial: Tensors): Tensors {
  const changes = Object.entries(final).map(([name, values]) => {
    return [name, values.map((value, i) => value - initial[name]![i]!)] as const;
  });
  return Object.fromEntries(changes);
}

/** Each loss by itself, so that a step that is missing is seen. */
const steps = <T>(losses: number[], one: (loss: number) => T): Record<string, T> =>
  Object.fromEntries(losses.map((loss, step) => [`step ${step}`, one(loss)]));

const expectedLosses = (losses: number[]) =>
  steps(losses, (loss) => ({ norm: Math.abs(loss), entries: [loss] }));
const receivedLosses = (losses: number[]) => steps(losses, (loss) => [loss]);

function stagesOf({ reference, limits }: Suite, headName: string, optimizer: OptimizerName): Stage[] {
  const head = reference.heads[headName]!;
  const training = head.training[optimizer]!;
  const { initial, embeddings } = reference.seeds[head.seed]!;
  const random = Object.entries(initial).filter(([tensor]) => !head.state.includes(tensor));
  return [
    {
      name: 'initial',
      title: 'starts from the weights of the shared generator',
      expected: Object.fromEntries(random),
      received: (run) => run.initial,
      limit: () => limits.initial,
    },
    {
      name: 'embeddings',
      title: 'computes the embeddings of the first batch',
      expected: { embeddings },
      received: (run) => ({ embeddings: run.before.embeddings }),
      limit: () => limits.embeddings,
    },
    {
      name: 'scores',
      title: 'computes the margin-free scores of the first batch',
      expected: { scores: head.scores },
      received: (run) => ({ scores: run.before.scores }),
      limit: () => limits.scores,
    },
    {
      name: 'first loss',
      title: 'computes the loss of the first batch',
      expected: expectedLosses(training.losses.slice(0, 1)),
      received: (run) => receivedLosses(run.losses),
      limit: () => limits.firstLoss,
    },
    {
      name: 'gradients',
      title: 'computes the gradients of the first step',
      expected: head.gradients,
      received: (run) => run.gradients,
      limit: () => limits.gradients,
    },
    {
      name: 'losses',
      title: 'follows the losses of ten steps',
      expected: expectedLosses(training.losses),
      received: (run) => receivedLosses(run.losses),
      limit: () => limits.losses,
    },
    {
      name: 'way moved',
      title: 'moves every tensor as the reference does',
      expected: training.moved,
      received: (run) => differences(run.final, run.initial),
      limit: (tensor) => limits[kindOfMoved(reference, optimizer, tensor)],
    },
    {
      name: 'prediction',
      title: 'predicts the embeddings and the scores of the first batch after training',
      expected: { embeddings: training.embeddings, scores: training.scores },
      received: ({ after }) => ({ embeddings: after.embeddings, scores: after.scores }),
      limit: () => limits.scores,
    },
  ];
}

/** By name, in the reference's order; an array that was not received is infinitely far. */
function distances(
  received: Partial<Record<string, ArrayLike<number>>>,
  expected: Record<string, Digest>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(expected).map(([name, digest]) => {
      const values = received[name] ?? [];
      return [name, distance(values, spread(values.length), digest)];
    }),
  );
}

/** The losses that are further from those of the reference than `limit`, in words. */
export const strayLosses = (received: number[], expected: number[], limit: number) =>
  exceeding(distances(receivedLosses(received), expectedLosses(expected)), limit);

const scaled = ({ norm: size, entries }: Digest, factor: number): Digest => ({
  norm: size * factor,
  entries: entries.map((value) => value * factor),
});

export function describeTraining(name: string, suite: Suite): void {
  const { reference, limits } = suite;
  const cases = Object.entries(reference.heads).flatMap(([head, { training }]) =>
    (Object.keys(training) as OptimizerName[]).map((optimizer) => [head, optimizer] as const),
  );

  describe.each(BACKENDS)(`whole training of ${name} on %s`, (backend) => {
    const missing = whyMissing(backend);
    if (missing !== '') {
      reportMissing(backend, missing);
      return;
    }

    describe.each(cases)('%s, %s', (headName, optimizer) => {
      const head = reference.heads[headName]!;
      const stages = stagesOf(suite, headName, optimizer);
      const margins: string[] = [];
      let received: Received;

      beforeAll(async () => {
        received = await run(backend, suite, head, optimizer);
      }, 60_000);

      afterAll(() => {
        process.stdout.write(
          `${backend}, ${name}, ${headName}, ${optimizer}: relative errors: ${margins.join(', ')}\n`,
        );
      });

      it('has the tensors of the reference, in arena order', () => {
        const shapes = head.tensors.map((tensor) => {
          return { name: tensor, shape: reference.tensors[tensor]!.shape };
        });
        // What all classes share lies before what each has of its own.
        const firstOfHead = shapes.findIndex(({ name }) => name === 'head.weight');
        const scale = shapes.findIndex(({ name }) => name === 'head.scale');
        if (scale >= 0) shapes.splice(firstOfHead, 0, ...shapes.splice(scale, 1));
        expect(received.parameters).toEqual(shapes);
      });

      it('starts from constants where it does not from random weights', () => {
        for (const [tensor, value] of Object.entries(head.constants)) {
          expect([tensor, new Set(received.initial[tensor])]).toEqual([tensor, new Set([value])]);
        }
      });

      it.each(stages)('$title', (stage) => {
        const values = distances(stage.received(received), stage.expected);
        // For the line that tells how much of the limit was used.
        margins.push(`${stage.name} ${Math.max(...Object.values(values)).toExponential(1)}`);
        expect(exceeding(values, stage.limit)).toEqual([]);
      });

      if (head.vanishing.length > 0) {
        it('leaves gradients at 0 that are nothing but rounding', () => {
          const largest = Math.max(...Object.values(head.gradients).map((gradient) => gradient.norm));
          for (const tensor of head.vanishing) {
            expect(norm(received.gradients[tensor]!)).toBeLessThan(limits.gradients * largest);
          }
        });
      }

      if (head.state.includes('head.weight')) {
        it('leaves the centroids as they were written', () => {
          expect(received.final['head.weight']).toEqual(centroids(reference.embeddingSize));
        });
      }

      it.each(stages)('disagrees with a reference that is a little off: $name', (stage) => {
        const expected = Object.entries(stage.expected).map(([array, digest]) => {
          return [array, scaled(digest, 1 + 3 * stage.limit(array))] as const;
        });
        const values = distances(stage.received(received), Object.fromEntries(expected));
        const refused = exceeding(values, stage.limit).map((line) => line.split(':')[0]);
        expect(refused).toEqual(Object.keys(stage.expected));
      });
    });
  });
}

/** The stages at which a network that is described otherwise is over a limit. */
export async function strayStages(backend: string, suite: Suite, headName: string): Promise<string[]> {
  const received = await run(backend, suite, suite.reference.heads[headName]!, 'sgd');
  return stagesOf(suite, headName, 'sgd')
    .filter((stage) => exceeding(distances(stage.received(received), stage.expected), stage.limit).length > 0)
    .map(({ name }) => name);
}

/** Limits in units of the noise of fp32, the worst of all suites. */
function limitsByNoise(limits: Limits, references: NetworkReference[]): Partial<Limits> {
  const worst: Partial<Limits> = {};
  const add = (limit: Limit, ...noise: number[]) => {
    worst[limit] = Math.max(worst[limit] ?? 0, ...noise);
  };
  for (const reference of references) {
    for (const [name, noise] of Object.entries(reference.fp32Noise)) {
      add('embeddings', noise.embeddings);
      add('scores', noise.scores, noise.finalEmbeddings, noise.finalScores);
      add('firstLoss', noise.firstLoss);
      add('losses', noise.losses);
      add('gradients', ...Object.values(noise.gradients));
      const optimizer = name.endsWith('adam') ? 'adam' : 'sgd';
      for (const [tensor, value] of Object.entries(noise.moved)) {
        add(kindOfMoved(reference, optimizer, tensor), value);
      }
    }
  }
  return Object.fromEntries(
    Object.entries(worst).map(([limit, noise]) => [limit, limits[limit as Limit] / noise]),
  );
}

/** Expects limits wide enough for fp32, and no wider; each of them but 'initial', which no rounding touches. */
export function expectLimitsNearNoise(limits: Limits, references: NetworkReference[]): void {
  const ratios = Object.entries(limitsByNoise(limits, references));
  const used = Object.keys(limits).filter((limit) => limit !== 'initial');
  expect(ratios.map(([limit]) => limit).sort()).toEqual(used.sort());
  expect(ratios.filter(([, ratio]) => !(ratio >= 3 && ratio <= 30))).toEqual([]);
}
