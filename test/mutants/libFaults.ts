/** Faults of the facade. */
import { type Fault, inFile } from './fault.js';

export const LIB_FAULTS: readonly Fault[] = [
  // ---- what a session is told

  ...inFile('lib/training/job.ts', [
    {
      name: 'augmentation-lost',
      what: '`augment` does not reach the session',
      find: 'augmentation: nativeAugmentation(settings.augment),',
      replace: '',
      tests: ['lib/training/augment'],
    },
    {
      name: 'layer-rates-lost',
      what: '`freeze` and `layerLr` do not reach the session',
      find: '...(layerRates && { layerRates }),',
      replace: '',
      tests: ['lib/training/layerRates', 'parity/fineTuning'],
    },
    {
      name: 'held-out-in-statistics',
      what: 'samples that are held out leak into the statistics of the training images',
      find: 'normalization: await resolveNormalize(settings.normalize, train, settings.signal),',
      replace:
        'normalization: await resolveNormalize(settings.normalize, allOf(dataset.train), settings.signal),',
      tests: ['parity/train'],
    },
    {
      name: 'held-out-trained-on',
      what: 'samples that are held out are trained on as well',
      find: 'return { train: kept, validation: heldOut };',
      replace: 'return { train: allOf(split), validation: heldOut };',
      tests: ['lib/training/train', 'lib/training/upload'],
    },
    {
      name: 'validation-on-training-images',
      what: 'what is held out is not what is scored',
      find: 'return { train: kept, validation: heldOut };',
      replace: 'return { train: kept, validation: kept };',
      tests: ['parity/train'],
    },
    {
      name: 'session-ignores-seed',
      what: 'weights and dropout are alike for every seed',
      find: 'seed: settings.seed,',
      replace: 'seed: 0,',
      tests: ['parity/train'],
    },
    {
      name: 'head-rate-lost',
      what: "`headLr` does not reach the session's optimizer",
      find: 'nativeOptimizer(settings, head.headLr)',
      replace: 'nativeOptimizer(settings, 1)',
      tests: ['parity/train'],
    },
    {
      name: 'clip-lost',
      what: "`clipGradients` does not reach the session's optimizer",
      find: 'nativeOptimizer(settings, head.headLr)',
      replace: 'nativeOptimizer({ optimizer: settings.optimizer }, head.headLr)',
      tests: ['parity/train', 'lib/training/clipGradients'],
    },
    {
      name: 'std-lost',
      what: 'pixels are centred, but not divided by their deviation',
      find: '        std: normalization.std,',
      replace: '        std: normalization.std.map(() => 1),',
      tests: ['parity/train'],
    },
    {
      name: 'precision-lost',
      what: '`precision` does not reach the session',
      find: '        precision,\n        seed',
      replace: "        precision: 'fp32',\n        seed",
      tests: ['lib/training/precision'],
    },
  ]),
  ...inFile('lib/training/layerRates.ts', [
    {
      name: 'names-without-dot',
      what: "'layer1' is 'layer10' too",
      find: 'name}.`);',
      replace: 'name}`);',
      tests: ['lib/training/layerRates'],
    },
    {
      name: 'shortest-name-holds',
      what: 'of several rates of a layer that with the shortest name holds',
      find: 'reach(b) - reach(a)',
      replace: 'reach(a) - reach(b)',
      tests: ['lib/training/layerRates'],
    },
    {
      name: 'frozen-rate-holds',
      what: 'a rate takes a frozen layer back into training',
      find: 'parameters === 0 || isFrozen(name) ? 0 : (rateOf(name)?.[1] ?? 1)',
      replace: 'parameters === 0 ? 0 : (rateOf(name)?.[1] ?? (isFrozen(name) ? 0 : 1))',
      tests: ['lib/training/layerRates'],
    },
    {
      name: 'shadowed-rate-taken',
      what: 'a rate whose layers all have one of a longer name is taken and has no effect',
      find: 'rateOf(layer)![0] !== name',
      replace: 'rateOf(layer) === undefined',
      tests: ['lib/training/layerRates'],
    },
  ]),
  ...inFile('lib/training/runFacts.ts', [
    {
      name: 'diagnoses-without-layer-rates',
      what: 'diagnoses take the network to be trained at the rate of the run, whatever its layers have',
      find: 'Math.max(...layerRates)',
      replace: '1',
      tests: ['lib/diagnoses'],
    },
  ]),
  ...inFile('lib/training/runIdentity.ts', [
    {
      name: 'augmentation-is-no-part-of-a-run',
      what: 'a checkpoint is resumed with other changes of images',
      find: 'Object.keys(augment).length > 0',
      replace: 'Object.keys(augment).length < 0',
      tests: ['lib/training/resume'],
    },
    {
      name: 'clip-is-no-part-of-a-run',
      what: 'a checkpoint is resumed with gradients clipped otherwise',
      find: 'clipGradients !== undefined && { clipGradients }',
      replace: 'clipGradients === 0 && { clipGradients }',
      tests: ['lib/training/resume'],
    },
    {
      name: 'average-is-no-part-of-a-run',
      what: 'a checkpoint is resumed with a moving average that was none',
      find: 'ema !== undefined && { ema }',
      replace: 'ema === 0 && { ema }',
      tests: ['lib/training/resume'],
    },
    {
      name: 'momentum-is-no-part-of-a-run',
      what: 'a checkpoint is resumed with other momentum',
      find: 'momentum === undefined ? [] : [momentum]',
      replace: 'momentum === undefined ? [] : []',
      tests: ['lib/training/resume'],
    },
    {
      name: 'frozen-is-no-part-of-a-run',
      what: 'a checkpoint is resumed with other layers frozen',
      find: 'freeze.length > 0 && { freeze: [...freeze].sort() }',
      replace: 'freeze.length < 0 && { freeze }',
      tests: ['lib/training/resume'],
    },
  ]),
  ...inFile('lib/training/optimizers.ts', [
    {
      name: 'betas-swapped',
      what: "Adam's betas reach the session in each other's place",
      find: '{ ...unused, ...optimizer, headLr }',
      replace:
        "{ ...unused, ...optimizer, ...('beta1' in optimizer && { beta1: optimizer.beta2, beta2: optimizer.beta1 }), headLr }",
      tests: ['parity/train'],
    },
    {
      name: 'weight-decay-lost',
      what: '`weightDecay` does not reach the session',
      find: '{ ...unused, ...optimizer, headLr }',
      replace: '{ ...unused, ...optimizer, weightDecay: 0, headLr }',
      tests: ['parity/train'],
    },
    {
      name: 'momentum-lost',
      what: '`momentum` does not reach the session',
      find: '{ ...unused, ...optimizer, headLr }',
      replace: '{ ...unused, ...optimizer, momentum: 0, headLr }',
      tests: ['parity/train'],
    },
  ]),
  ...inFile('lib/native/backends.ts', [
    {
      name: 'threads-lost',
      what: '`threads` has no effect',
      find: 'threads: threads ?? backend.defaultThreads,',
      replace: 'threads: backend.defaultThreads,',
      tests: ['lib/native/limits'],
    },
  ]),

  // ---- the loop over epochs and steps

  ...inFile('lib/training/samplers/epochOrder.ts', [
    {
      name: 'shuffle-ignores-seed',
      what: 'every seed shuffles alike',
      find: 'native().permutation(seed, epoch, count)',
      replace: 'native().permutation(0, epoch, count)',
      tests: ['parity/train'],
    },
    {
      name: 'epochs-in-one-order',
      what: 'every epoch is shuffled alike',
      find: 'native().permutation(seed, epoch, count)',
      replace: 'native().permutation(seed, 0, count)',
      tests: ['parity/train'],
    },
  ]),
  ...inFile('lib/training/samplers/classBalanced.ts', [
    {
      name: 'passes-mixed',
      what: 'images of a class come again before all have',
      find: 'drawn[index]!++',
      replace: 'Math.floor(turn / present.length)',
      tests: ['lib/training/samplers'],
    },
    {
      name: 'first-classes-have-more',
      what: 'which classes come once more is not drawn',
      find: 'classes[turn % present.length]!',
      replace: '(turn % present.length)',
      tests: ['lib/training/samplers'],
    },
  ]),
  ...inFile('lib/training/samplers/decks.ts', [
    {
      name: 'batch-has-a-class-twice',
      what: 'where a round of classes ends within a batch, that may have one of them twice',
      find: 'if (isNewDeck && dealt > 0) this.#putLast(hand.subarray(0, dealt));',
      replace: '',
      tests: ['lib/training/samplers'],
    },
  ]),
  ...inFile('lib/training/stepValues.ts', [
    {
      name: 'lambda-one-step-late',
      what: 'λ is off by one step',
      find: 'lambdaAt(head.lambda, step, totalSteps)',
      replace: 'lambdaAt(head.lambda, step + 1, totalSteps)',
      tests: ['lib/training/callbacks', 'lib/heads/training'],
    },
    {
      name: 'rate-one-step-late',
      what: 'the learning rate is off by one step',
      find: 'learningRateAt(learningRate, { step, totalSteps, stepsPerEpoch })',
      replace: 'learningRateAt(learningRate, { step: step + 1, totalSteps, stepsPerEpoch })',
      tests: ['lib/training/callbacks', 'lib/training/train'],
    },
    {
      name: 'momentum-one-step-late',
      what: 'the momentum of one cycle is off by one step',
      find: 'momentumAt(learningRate, { step, totalSteps })',
      replace: 'momentumAt(learningRate, { step: step + 1, totalSteps })',
      tests: ['parity/train'],
    },
    {
      name: 'margin-warmup-lost',
      what: '`marginWarmup` has no effect',
      find: 'fractionOver(head.marginWarmup, step, totalSteps)',
      replace: '1',
      tests: ['lib/heads/training', 'lib/training/callbacks'],
    },
  ]),
  ...inFile('lib/training/epochSums.ts', [
    {
      name: 'epoch-loss-ignores-batch-size',
      what: "an epoch's loss counts the last, smaller batch like a whole one",
      find: 'sums.loss += event.loss * samples;',
      replace: 'sums.loss += event.loss * (sums.samples / sums.steps);',
      tests: ['lib/training/callbacks', 'lib/training/train'],
    },
  ]),
  ...inFile('lib/training/batching.ts', [
    {
      name: 'last-batch-counted-whole',
      what: "the last, smaller batch's accuracy is divided by the size of a whole one",
      find: 'return samplesBefore(batching, step + 1) - samplesBefore(batching, step);',
      replace: 'return batching.batchSize + 0 * step;',
      tests: ['lib/training/callbacks', 'lib/training/train'],
    },
  ]),
  ...inFile('lib/training/notices.ts', [
    {
      name: 'notice-every-epoch',
      what: 'what goes wrong is told again after every epoch',
      find: 'if (this.said.some(({ code }) => code === note.code)) return;',
      replace: '',
      tests: ['lib/training/diagnosesInTraining', 'lib/training/notes'],
    },
  ]),
  ...inFile('lib/schedules/learningRate.ts', [
    {
      name: 'milestone-one-step-late',
      what: 'the rate changes a step behind the milestone',
      find: 'step >= milestone * unit',
      replace: 'step > milestone * unit',
      tests: ['lib/schedules'],
    },
    {
      name: 'warmup-from-zero',
      what: "warm-up's first step has no rate",
      find: 'fractionOver(schedule.length, step + 1, totalSteps)',
      replace: 'fractionOver(schedule.length, step, totalSteps)',
      tests: ['lib/schedules'],
    },
  ]),
  ...inFile('lib/schedules/oneCycle.ts', [
    {
      name: 'momentum-with-the-rate',
      what: 'momentum rises with the rate and falls with it',
      find: '[max, base, max]',
      replace: '[base, max, base]',
      tests: ['parity/schedules', 'lib/schedules'],
    },
  ]),

  // ---- data

  ...inFile('lib/data/formats/imageFolder.ts', [
    {
      name: 'division-ignores-seed',
      what: 'whatever the seed, the same images are test images',
      find: 'drawTest(files.length, fraction, seed, folders.indexOf(name))',
      replace: 'drawTest(files.length, fraction, 0, folders.indexOf(name))',
      tests: ['lib/data/formats/imageFolder'],
    },
  ]),
  ...inFile('lib/data/pictures/division.ts', [
    {
      name: 'classes-draw-alike',
      what: 'every class has the same places among its test images',
      find: 'permutation(seed, place, count)',
      replace: 'permutation(seed, 0, count)',
      tests: ['lib/data/formats/imageFolder'],
    },
  ]),
  ...inFile('lib/data/pictures/repetition.ts', [
    {
      name: 'repetition-unsaid',
      what: 'test images that are trained on as well go unnoticed',
      find: 'const seen = new Set(digests.subarray(0, train));',
      replace: 'const seen = new Set<bigint>();',
      tests: ['lib/data/formats/imageFolder'],
    },
  ]),
  ...inFile('lib/data/pictureFiles.ts', [
    {
      name: 'links-passed-over',
      what: 'a link to a folder of pictures is no folder',
      find: 'entry.isSymbolicLink() ? await kindOf(join(path, entry.name)) : entry',
      replace: 'entry',
      tests: ['lib/data/formats/imageFolder'],
    },
  ]),
  ...inFile('lib/data/packed/cache.ts', [
    {
      name: 'cache-blind-to-time',
      what: 'a picture that was replaced by one of the same size is not decoded anew',
      find: '[relative(root, file), label, size, mtimeMs]',
      replace: '[relative(root, file), label, size]',
      tests: ['lib/data/packed'],
    },
  ]),
  ...inFile('lib/data/packedImages.ts', [
    {
      name: 'seam-between-views',
      what: 'of images in two views the second part is black',
      find: 'bytes.set(this.pixels(first + head, count - head), head * this.#size);',
      replace: '',
      tests: ['lib/data/packed'],
    },
  ]),
  ...inFile('lib/training/loop.ts', [
    {
      name: 'held-out-in-file-trained-on',
      what: 'of images in a file those are trained on that come first, held out or not',
      find: '.map((each) => numbers[each]!)',
      replace: '',
      tests: ['lib/data/packed'],
    },
  ]),
  ...inFile('lib/data/formats/cifar.ts', [
    {
      name: 'planes-as-pixels',
      what: "CIFAR's planes are taken for pixels",
      find: 'begin + channel * PLANE + pixel',
      replace: 'begin + 3 * pixel + channel',
      tests: ['lib/data/formats/cifar'],
    },
  ]),
  ...inFile('lib/data/formats/emnist.ts', [
    {
      name: 'emnist-lies',
      what: "EMNIST's images stay on their side",
      find: 'first + column * H + row',
      replace: 'first + row * W + column',
      tests: ['lib/data/formats/emnist'],
    },
  ]),
  ...inFile('lib/data/samples.ts', [
    {
      name: 'hold-out-not-by-class',
      what: 'the fraction that is held out is not that of each class',
      find: 'const rank = seen[label]!++;',
      replace: 'const rank = sample;',
      tests: ['lib/data/samples'],
    },
    {
      name: 'labels-of-others',
      what: 'chosen samples are scored by the labels of the first ones',
      find: 'numbers.map((number) => labels[number]!)',
      replace: 'numbers.map((_, index) => labels[index]!)',
      tests: ['lib/data/samples'],
    },
    {
      name: 'images-of-others',
      what: 'chosen samples get the pixels of those behind the first',
      find: 'if (numbers.every((number, index) => number === first + index)) {',
      replace: 'if (first >= 0) {',
      tests: ['lib/data/samples'],
    },
    {
      name: 'part-trained-as-the-first',
      what: 'of a part of a data set the first images of the whole are trained on',
      find: 'numbers: numbers.map((number) => images.numbers[number]!),',
      replace: 'numbers,',
      tests: ['lib/data/subset'],
    },
  ]),
  ...inFile('lib/data/subset.ts', [
    {
      name: 'classes-keep-their-numbers',
      what: 'labels of chosen classes are not renumbered in the order asked for',
      find: 'labelOf[number] = label;',
      replace: 'labelOf[number] = number;',
      tests: ['lib/data/subset'],
    },
  ]),
  ...inFile('lib/data/statistics.ts', [
    {
      name: 'flat-channel-divides-by-zero',
      what: 'a channel without contrast makes infinite pixels',
      find: 'deviation < MIN_STD ? 1 : deviation',
      replace: 'deviation',
      tests: ['lib/data/statistics'],
    },
  ]),
  ...inFile('lib/data/sets/fashionMnist.ts', [
    {
      name: 'checksum-not-compared',
      what: 'a damaged sample is trained on',
      find: 'if (found !== expected) {',
      replace: 'if (found === undefined) {',
      tests: ['lib/data/sets'],
    },
  ]),

  // ---- heads

  ...inFile('lib/heads/table.ts', [
    {
      name: 'pedcc-weight-halved',
      what: "pedcc's distance gets the factor 1/2 that it does not have",
      find: 'centerWeight: 2 * weight',
      replace: 'centerWeight: weight',
      tests: ['lib/heads/formulas', 'lib/heads/resolve'],
    },
    {
      name: 'detached-gradient-lost',
      what: "arcface's `gradient: 'detached'` has no effect",
      find: "exactGradient: gradient === 'exact',",
      replace: 'exactGradient: true,',
      tests: ['lib/heads/formulas', 'lib/heads/headLoss'],
    },
  ]),
  ...inFile('lib/heads/resolve.ts', [
    {
      name: 'class-weights-lost',
      what: '`classWeights` do not reach the head',
      find: '...nativeClassWeights(common.classWeights, numClasses),',
      replace: '',
      tests: ['lib/heads/resolve', 'lib/heads/headLoss'],
    },
    {
      name: 'smoothing-lost',
      what: '`labelSmoothing` does not reach the head',
      find: '    labelSmoothing,\n    ...nativeClassWeights',
      replace: '    labelSmoothing: 0,\n    ...nativeClassWeights',
      tests: ['lib/heads/resolve', 'lib/heads/headLoss'],
    },
  ]),
  ...inFile('lib/schedules/annealing.ts', [
    {
      name: 'lambda-without-floor',
      what: "λ's `min` has no effect on a rule by its end",
      find: 'return Math.max(min, base * left ** 6);',
      replace: 'return base * left ** 6;',
      tests: ['lib/schedules'],
    },
  ]),

  // ---- a trained model

  ...inFile('lib/model/inference.ts', [
    {
      name: 'evaluation-repeats-first-chunk',
      what: 'beyond 8,192 images evaluation sees the first ones again',
      find: 'rangeOf(samples, first, first + most)',
      replace: 'rangeOf(samples, 0, Math.min(most, count - first))',
      tests: ['lib/model/manyImages'],
    },
    {
      name: 'embeddings-of-second-chunk-shifted',
      what: 'beyond 8,192 images the embeddings behind the angles land in the wrong place',
      find: 'first * size)',
      replace: 'first)',
      tests: ['lib/model/manyImages'],
    },
  ]),
  ...inFile('lib/model/model.ts', [
    {
      name: 'dispose-keeps-memory',
      what: '`dispose()` frees nothing',
      find: 'if (!this.#isLent) this.#parts.session.dispose();',
      replace: '',
      tests: ['lib/training/memory'],
    },
    {
      name: 'embeddings-not-normalised',
      what: 'embeddings of heads that compare angles keep their length',
      find: 'normalize = this.#parts.head.byAngle',
      replace: 'normalize = false',
      tests: ['lib/model'],
    },
  ]),
  ...inFile('lib/metrics/accuracy.ts', [
    {
      name: 'confusion-transposed',
      what: "the confusion matrix' rows are predictions",
      find: 'confusion[label * numClasses + predicted]',
      replace: 'confusion[predicted * numClasses + label]',
      tests: ['lib/metrics', 'lib/model'],
    },
  ]),
  ...inFile('lib/model/summary.ts', [
    {
      name: 'bias-not-counted',
      what: "the head's bias is missing from the number of parameters",
      find: '(bias ? numClasses : 0)',
      replace: '0',
      tests: ['lib/model', 'lib/networks'],
    },
  ]),

  // ---- what is shown of mistakes

  ...inFile('lib/metrics/mistakes.ts', [
    {
      name: 'least-confident-first',
      what: 'the contact sheet begins with the mistakes that are hardly ones',
      find: 'lead(b) - lead(a)',
      replace: 'lead(a) - lead(b)',
      tests: ['lib/metrics/mistakes'],
    },
  ]),
  ...inFile('lib/report/contactSheet/contactSheet.ts', [
    {
      name: 'split-not-known-again',
      what: 'a split that is given once more as `among` counts as another',
      find: 'isSameSplit: areSameImages(others.images, samples.images),',
      replace: 'isSameSplit: others.images === samples.images,',
      tests: ['lib/report/contactSheet'],
    },
  ]),
  ...inFile('lib/report/contactSheet/neighbours.ts', [
    {
      name: 'own-neighbour',
      what: 'a sample is its own nearest neighbour',
      find: '.filter(({ sample }) => sample !== itself)',
      replace: '',
      tests: ['lib/report/contactSheet'],
    },
  ]),
  ...inFile('lib/report/contactSheet/page.ts', [
    {
      name: 'names-are-markup',
      what: 'a class name with markup in it becomes a part of the page',
      find: 'return escapeXml(classNames[label]!);',
      replace: 'return classNames[label]!;',
      tests: ['lib/report/contactSheet'],
    },
  ]),

  // ---- ends that are not the planned one

  ...inFile('lib/training/run.ts', [
    {
      name: 'failed-run-keeps-memory',
      what: 'a run that failed keeps its memory',
      find: 'if (!isKept) model.dispose();',
      replace: '',
      tests: ['lib/training/memory'],
    },
    {
      name: 'diverged-model-lost',
      what: 'the model of a run that diverged is disposed before anybody can have it',
      find: '(await endsTraining(session)) && !signal?.aborted;',
      replace: '(await endsTraining(session)) && signal?.aborted;',
      tests: ['lib/training/abort'],
    },
    {
      name: 'abort-not-passed-on',
      what: 'an abort waits for what the core is computing',
      find: 'onAbort(signal, () => session.cancel())',
      replace: 'onAbort(signal, () => {})',
      tests: ['lib/training/abort'],
    },
    {
      name: 'loop-without-signal',
      what: 'an abort is not looked at between groups of steps',
      find: '    signal,\n    measure',
      replace: '    signal: undefined,\n    measure',
      tests: ['lib/training/abort'],
    },
  ]),
  ...inFile('lib/training/upload.ts', [
    {
      name: 'upload-does-not-look-at-signal',
      what: 'an abort waits for the copy of all images',
      find: 'await turnEventLoop(signal);',
      replace: 'await turnEventLoop(undefined);',
      tests: ['lib/training/upload'],
    },
  ]),
  ...inFile('lib/cli/interrupt.ts', [
    {
      name: 'second-interrupt-ignored',
      what: 'a second Ctrl-C does not end the program',
      find: '    leaveToTheSystem();\n    controller.abort',
      replace: '    controller.abort',
      tests: ['lib/cli/interrupt'],
    },
  ]),

  // ---- galleries and thresholds

  ...inFile('lib/model/gallery.ts', [
    {
      name: 'gallery-names-stay',
      what: 'a row that takes the place of a removed one keeps the name of that',
      find: 'if (row < this.#nameOfRow.length) this.#nameOfRow[row] = last;',
      replace: '',
      tests: ['lib/model/gallery'],
    },
    {
      name: 'gallery-crowd-hides',
      what: 'a name with many embeddings takes the places of others',
      find: 'if (!isComplete) again.push(query);',
      replace: 'if (false) again.push(query);',
      tests: ['lib/model/gallery'],
    },
    {
      name: 'gallery-threshold-lost',
      what: "a call's own threshold has no effect",
      find: '        { wanted, threshold, signal },',
      replace: '        { wanted, threshold: this.#threshold, signal },',
      tests: ['lib/model/gallery'],
    },
  ]),
  ...inFile('lib/metrics/verification.ts', [
    {
      name: 'threshold-accepts-one-more',
      what: 'the threshold lets one pair of different ones through that it must not',
      find: 'above(largestBut(different, mayBeAccepted))',
      replace: 'largestBut(different, mayBeAccepted)',
      tests: ['lib/metrics/verification'],
    },
  ]),
  ...inFile('lib/model/probe.ts', [
    {
      name: 'gallery-of-any-model',
      what: 'a gallery is taken by a model that did not make it',
      find: 'if (cosine >= SAME_SPACE) return;',
      replace: 'if (cosine >= -1) return;',
      tests: ['lib/model/gallery'],
    },
  ]),
];
