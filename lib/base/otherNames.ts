/**
 * What other libraries and papers call options and words of this one: for the error that refuses them. Of layers and
 * their options native code knows the same (native/spec/nearest_word.cpp).
 */

/** By our names, theirs without case, hyphens and underscores. A word of several is the first that there is. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  learningRate: 'lr lrate baselr initiallr eta',
  weightDecay: 'wd l2penalty',
  optimizer: 'optim optimiser solver',
  clipGradients:
    'clipnorm clipgrad clipgradnorm clipgradient gradclip gradclipnorm gradientclip gradientclipping ' +
    'gradientclipval globalclipnorm maxgradnorm maxgradientnorm maxnorm',
  ema: 'emadecay modelema weightaverage weightaveraging averagedecay swa polyak usemovingaverage emamomentum',
  sampleClasses: 'samplerate sampleratio partialfc classsampling negativesampling sampledsoftmax numsampled',
  batchSize: 'batch bs minibatch minibatchsize',
  dropLast: 'dropremainder dropincomplete skiplast',
  epochs: 'numepochs nepochs maxepochs passes',
  steps: 'iterations iters maxsteps maxiter numsteps totalsteps',
  freeze: 'frozen freezelayers frozenlayers freezebackbone linearprobe',
  layerLr: 'layerlrs layerrates lrmult lrmultiplier lrmultipliers lrscale backbonelr paramgroups',
  head: 'loss losstype lossfunction lossfn criterion',
  m: 'margin',
  m2: 'margin',
  s: 'scale',
  alpha: 'scale',
  labelSmoothing: 'smoothing',
  featureDropout: 'dropout',
  classWeights: 'classweight',
  lambda: 'lambd lam annealing',
  model: 'net network arch architecture backbone',
  data: 'dataset inputs traindata trainset xtrain',
  take: 'limit subset maxsamples maximages numsamples numimages nsamples',
  takePerClass: 'perclass samplesperclass imagesperclass shots',
  images: 'x inputs pixels',
  labels: 'y targets target classes',
  classNames: 'names labelnames classes',
  validation: 'val valdata validationdata validationsplit valsplit evaldata',
  seed: 'randomseed randomstate rng',
  device: 'gpu usegpu accelerator',
  cuda: 'gpu',
  threads: 'workers numworkers njobs numthreads nthreads',
  precision: 'dtype amp mixedprecision halfprecision',
  bf16: 'bfloat16 float16 fp16 half mixed amp',
  fp32: 'float32 float single full',
  softmax: 'crossentropy ce xent',
  sgd: 'momentum',
  momentum: 'mu',
  beta1: 'betas b1',
  beta2: 'b2',
  epsilon: 'eps',
  embeddingSize: 'embedding dim embeddingdim embdim embedsize featuredim features',
  imageSize: 'size inputsize imgsize resolution',
  width: 'widthmult widthmultiplier widthfactor widenfactor multiplier channelmultiplier',
  onEpoch: 'callback callbacks onepochend',
  onStep: 'onbatchend onbatch',
  progress: 'verbose silent',
  signal: 'abortsignal abort',
};

const NO_PRETRAINED =
  'A network begins with weights of a file: models.resnet18({ weights: FILE }). Without one, init of a layer says how they start, and classWeights weigh classes';

/** For what needs no option here, or would be taken for another one. */
const ANSWERS: Readonly<Record<string, string>> = {
  weights: NO_PRETRAINED,
  pretrained: NO_PRETRAINED,
  temperature: 'It is 1 divided by s, which multiplies the cosines',
  decay: 'Of weights it is weightDecay of the optimizer; of the rate, a schedule as learningRate',
  numclasses: 'The number of classes follows from data: from its labels, or from classNames',
  init: "How weights start is for the network and its layers to say: { ...models.resnet18(options), init: 'heNormal' }, say",
};

/** Without what spellings differ in. */
export const bare = (word: string) => word.toLowerCase().replaceAll(/[-_ ]/g, '');

/** The names that a foreign one may stand for. */
export function namesFor(word: string): readonly string[] {
  const given = bare(word);
  return Object.keys(OTHER_NAMES).filter(
    (ours) => bare(ours) === given || OTHER_NAMES[ours]!.split(' ').includes(given),
  );
}

export function answerTo(word: string): string {
  return Object.hasOwn(ANSWERS, bare(word)) ? ANSWERS[bare(word)]! : '';
}
