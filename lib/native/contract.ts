/**
 * The contract with the native addon.
 *
 * Everything here is internal: the public facade validates first, so that the addon receives plain, complete
 * configurations. Native failures arrive as `Error` objects with a `code`; `fromNative` (load.ts) turns them into the
 * facade's own class (the addon's constructors belong to another realm under some test runners).
 */
import type { Init } from '../networks/init.js';
import type { LayerDescription } from '../networks/layers.js';

export interface NativeModule {
  readonly version: string;
  /** Every backend that was looked for. An absent one carries the reason. */
  backends(): NativeBackend[];
  /** The same without blocking; device number `deviceIndex` is looked for. */
  findBackends(deviceIndex: number): Promise<NativeBackend[]>;
  /** Deterministic permutation of 0…count-1, the same on every machine and backend. */
  permutation(seed: number, epoch: number, count: number): Int32Array;
  /**
   * Takes the lock of an open file, for as long as it is open; false where somebody has it. Throws UNSUPPORTED where the file
   * system has none.
   */
  lockFile(descriptor: number): boolean;
  /** Validates a network, infers its shapes. Throws SHAPE_MISMATCH or INVALID_OPTION naming the layer. */
  summarize(network: NativeNetwork): NetworkSummary;
  /** One head, forward and backward, on given arrays. */
  headLoss(request: NativeHeadLossRequest): Promise<NativeHeadLossResult>;
  /** Images (N, H, W, C) as training steps of that epoch see them. */
  changedImages(request: NativeChangedImagesRequest): Promise<Float32Array>;
  /** Joins the other processes of a launcher, once. Throws RANK_FAILED where the world is not the launcher's. */
  joinRanks(request: NativeRanksRequest): Promise<NativeRanks>;
  /** What ranks on GPUs exchange by: NCCL, whose library is looked for. */
  findNccl(): Promise<NativeNccl>;
  /** Rank 0's bytes in all of them, who give as many. */
  broadcast(bytes: Uint8Array): Promise<Uint8Array>;
  /** Each one's bytes, in all of them, in the order of ranks. */
  gather(bytes: Uint8Array): Promise<Uint8Array[]>;
  /** Waits for the others to end as well, where any were joined: for the end of the process. */
  finishRanks(): void;
  /** Ends the others, and this process, where any were joined. */
  abortRanks(code: number): void;
  /** What the system, a control group or the shell lets this process have. */
  processLimits(): NativeLimits;
  /** Cancels what runs, and waits until no thread computes any more: for the end of the process. */
  stopAll(): void;
  MappedFile: new (path: string) => NativeMappedFile;
  Session: new (config: NativeSessionConfig) => NativeSession;
  SearchIndex: new (config: NativeSearchConfig) => NativeSearchIndex;
}

export interface NativeLimits {
  /** Bytes of memory that could be taken now. */
  freeBytes: number;
  /** What holds the process tightest, or '' for the machine itself. */
  memoryLimit: string;
  /** Of its affinity mask. */
  processors: number;
  /** Physical ones, within affinity, quota and OMP_NUM_THREADS. */
  cores: number;
}

export interface NativeRanksRequest {
  engine: 'openmpi' | 'mpich';
  rank: number;
  size: number;
  /** That another may be waited for. */
  timeoutSeconds: number;
}

export interface NativeNccl {
  available: boolean;
  /** 'NCCL 2.30.7', or '' */
  version: string;
  /** Of the library; or why there is none that serves, and how to get it. */
  text: string;
}

export interface NativeRanks {
  engine: string;
  /** Of the engine's library. */
  version: string;
  host: string;
  rank: number;
  size: number;
}

/**
 * A file's bytes as memory, read from the disk as they are looked at. The constructor throws INVALID_DATA where that cannot be
 * done. What is written to the memory does not reach the file.
 */
export interface NativeMappedFile {
  readonly size: number;
  /** The memory itself, which stays for as long as the array. Throws INVALID_DATA for bytes that the file has not. */
  bytes(begin: number, length: number): Uint8Array;
  /** To be called before the memory is read. Throws INVALID_DATA where the file was written to since: reading what was cut off ends the process. */
  expectUnchanged(): void;
}

export interface NativeBackend {
  name: string;
  available: boolean;
  /** Why it is not available, or '' */
  reason: string;
  /** Path of the plugin that was opened, or '' */
  path: string;
  /** What it uses of the machine's own and from where, e.g. 'cuBLAS and cuDNN from /usr/local/cuda/lib64', or '' */
  libraries: string;
  /** E.g. 'oneDNN 2.6.3, x86-64-v4' */
  version: string;
  /** Instruction set or card, e.g. 'x86-64-v4' */
  description: string;
  simulated: boolean;
  /** How many of the kind this machine has; of one that is not available 0. */
  devices: number;
  /**
   * Threads used when none are asked for: physical cores, within affinity, quota and OMP_NUM_THREADS. 0 where that has
   * no meaning.
   */
  defaultThreads: number;
}

export interface NativeNetwork {
  /** [H, W, C] of one image */
  input: [number, number, number];
  layers: LayerDescription[];
  /** Of layers that have none of their own. */
  init?: Init;
}

export interface NetworkSummary {
  layers: LayerSummary[];
  embeddingSize: number;
  parameters: number;
}

/** A layer of a network as it was built. */
export interface LayerSummary {
  /** Its own, or one made from its kind and a number: 'conv1' */
  name: string;
  type: string;
  /** Names of the layers that it reads, before it in the list; 'image' is the network's input. */
  inputs: string[];
  /** Output shape of one sample: [H, W, C] or [D] */
  output: number[];
  parameters: number;
  /** Multiply-accumulates of one sample's forward pass, times two. */
  flops: number;
  /** How the weights of a convolution or linear layer start: its own rule, or the network's. */
  init?: Init;
}

/** What the head pipeline computes (native/heads/): every named head is a row of values for this. */
export interface NativeHead {
  numClasses: number;
  /** Features are divided by their norm and multiplied by `scale`; otherwise used as they are. */
  normalizeFeatures: boolean;
  scale: number;
  learnScale: boolean;
  /** 'sample': each row's own norm. 'batch': one norm of the whole batch matrix, and none at inference. */
  l2Scope: 'sample' | 'batch';
  /** Class weights are divided by their norms. */
  normalizeWeights: boolean;
  /** Class weights are centroids spread evenly over the sphere, and are not trained. */
  fixedWeights: boolean;
  bias: boolean;
  /** The target's angle factor psi(m1·θ + m2) − m3. */
  m1: number;
  m2: number;
  m3: number;
  wrap: 'continue' | 'linear' | 'none';
  easyMargin: boolean;
  /** false: d(logit)/d(cos) of the margin is taken as 1 ('detached'). */
  exactGradient: boolean;
  /** Batch norm of the logits, or absent. */
  scaledBn?: { scale: number; epsilon: number };
  /** The loss gains centerWeight/2·mean‖x − c_y‖²; the centres are the class weights where those are fixed. */
  centerWeight: number;
  centerRate: number;
  featureDropout: number;
  labelSmoothing: number;
  /** Per-class loss weights, or absent. */
  classWeights?: Float32Array;
}

export interface NativeOptimizer {
  type: 'sgd' | 'adam' | 'adamw';
  momentum: number;
  nesterov: boolean;
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  /** Multiplies the learning rate of the head's parameters. */
  headLr: number;
  /** The largest norm of all gradients: longer ones are scaled down to it. 0, the default: none are. */
  clipGradients?: number;
  /** Of the average that follows the parameters: it is what `infer` and `readParameter` see. 0, the default: there is none. */
  averageDecay?: number;
}

/** Random changes of training images: native/base/augmentation.h says what each is. */
export interface NativeAugmentation {
  cropPadding: number;
  padding: 'zero' | 'reflect';
  areaLeast: number;
  areaMost: number;
  aspectLeast: number;
  aspectMost: number;
  flip: 'none' | 'random' | 'alternating';
  rotate: number;
  translate: number;
  scaleLeast: number;
  scaleMost: number;
  shear: number;
  brightness: number;
  contrast: number;
  saturation: number;
  grey: number;
  erase: number;
  eraseAreaLeast: number;
  eraseAreaMost: number;
  eraseAspectLeast: number;
  eraseAspectMost: number;
  mixup: number;
  cutmix: number;
}

export interface NativeChangedImagesRequest {
  backend: string;
  deviceIndex: number;
  threads: number;
  seed: number;
  /** From 0 */
  epoch: number;
  /** (M, H, W, C) */
  images: Uint8Array;
  /** [H, W, C] */
  size: Int32Array;
  /** (N): which of the images */
  samples: Int32Array;
  /** (N): what a training set calls them */
  numbers: Int32Array;
  augmentation: NativeAugmentation;
  /** Pixel p of channel c becomes (p/255 − mean[c]) / std[c]. */
  mean: Float32Array;
  std: Float32Array;
}

export interface NativeSessionConfig {
  backend: string; // 'cpu', 'cuda'
  deviceIndex: number;
  threads: number;
  deterministic: boolean;
  precision: 'fp32' | 'tf32' | 'bf16';
  seed: number;
  network: NativeNetwork;
  /**
   * Factor of the learning rate of each layer, in the order of `NetworkSummary.layers`; 0: frozen. Default: all 1. A session in
   * which nothing is left to train is refused as INVALID_OPTION.
   */
  layerRates?: Float32Array;
  head: NativeHead;
  /** Pixel p of channel c enters the network as (p/255 − mean[c]) / std[c]. */
  mean: Float32Array;
  std: Float32Array;
  /** Of training images. Default: none. */
  augmentation?: NativeAugmentation;
  /** Largest batch of a training step; 0 for a session that only predicts. */
  batchSize: number;
  optimizer: NativeOptimizer;
  /** Default true; otherwise weights are 0 until they are written. */
  drawWeights?: boolean;
  /** Its steps are run by all ranks at once, each with a part of the batch. Needs `joinRanks`. */
  distributed?: boolean;
  /** Beside `distributed`: each rank has the class weights of a part of the classes, until `endTraining`. Default false. */
  shardClasses?: boolean;
  /** Beside `distributed`: batch norm's statistics are those of all ranks' rows. Default false. */
  syncBatchNorm?: boolean;
  /** Of the classes that a training step compares, in (0, 1]. Default 1. */
  classShare?: number;
}

/** Values of one step, in this order, in `NativeStepsRequest.values`. */
export const STEP_VALUES = ['learningRate', 'lambda', 'marginRamp'] as const;

export interface NativeStepsRequest {
  epoch: number;
  /** Sample numbers; consecutive groups of `batchSize` form the steps, the last has what remains. */
  order: Int32Array;
  batchSize: number;
  /** One row of STEP_VALUES per step, row-major. */
  values: Float32Array;
  /** Per step: SGD's momentum, or Adam's beta1. Default: the optimizer's. */
  momentum?: Float32Array;
}

export interface NativeStepsResult {
  /** Number of steps that were run: fewer than asked for after `cancel()` or a non-finite value. */
  steps: number;
  /** Per step: batch mean of the loss, with margin, as trained. */
  loss: Float32Array;
  /** Per step: samples whose class is right by margin-free score. */
  correct: Int32Array;
  /** Per step: L2 norm of the loss's gradient in the logits of the batch. */
  logitGradientNorm: Float32Array;
  /** Per step: samples whose angle with margin, m1·θ + m2, lies beyond π. */
  pastPi: Int32Array;
  /** Per step: L2 norm of the whole gradient, before it is clipped. */
  gradientNorm: Float32Array;
  /**
   * Set when a non-finite loss or gradient stopped the run: the first tensor in which it was found. The last of the
   * reported steps is then the one that failed; it changed no parameter.
   */
  nonFinite?: string;
}

export interface NativeInferRequest {
  /** (N, H, W, C) */
  images: Uint8Array;
  count: number;
  /** Which outputs to compute. */
  probabilities: boolean;
  scores: boolean;
  /** To the class centres: only of a head that has them. */
  cosines: boolean;
  embeddings: boolean;
  /** Divide each embedding by its norm. */
  normalizeEmbeddings: boolean;
  /** (N): asks for `angles` and `classNorms`. */
  labels?: Int32Array;
}

export interface NativeInferResult {
  /** (N, numClasses) each, row-major */
  probabilities?: Float32Array;
  scores?: Float32Array;
  /** (N, numClasses): to the unit class weights where those are normalised, otherwise to the centres in the loss */
  cosines?: Float32Array;
  /** (N, embeddingSize) */
  embeddings?: Float32Array;
  /** (N, 2), radians: to the own class's weight, and to the nearest other class's */
  angles?: Float32Array;
  /** (numClasses): norms of the class weights */
  classNorms?: Float32Array;
}

export interface NativeMemoryPlan {
  parameters: number;
  gradients: number;
  optimizer: number;
  activations: number;
  dataset: number;
  /** The dataset stays in host memory: of it only the batches on their way are counted. */
  streamed: boolean;
  /** That library calls may need beside the others. */
  workspace: number;
}

export interface NativePlan {
  readonly device: NativeDevice;
  readonly memory: NativeMemoryPlan;
}

export interface NativeParameter {
  name: string;
  shape: number[];
  /** By the gradient; otherwise it is frozen, or state of the network or the head: running statistics, centres, centroids. */
  trained: boolean;
}

/** The device that a session runs on. */
export interface NativeDevice {
  /** 'cpu', 'cuda:0' */
  device: string;
  version: string;
  description: string;
  simulated: boolean;
  threads: number;
}

/**
 * One network with its head on one device. The constructor only validates; `open` comes next. Work runs on the
 * session's own thread, one call after another; no call waits for it on the JavaScript thread.
 */
export interface NativeSession {
  readonly summary: NetworkSummary;
  /**
   * Opens the backend, and says what training on so many images will take: what `memory` answers once they are there.
   * Allocates nothing. Rejects with DEVICE_UNAVAILABLE or OUT_OF_MEMORY.
   */
  plan(trainingImages: number): Promise<NativePlan>;
  /**
   * Allocates and draws the weights, after `plan` or without it. Rejects with DEVICE_UNAVAILABLE or OUT_OF_MEMORY, and
   * with DISPOSED soon after `cancel()`.
   */
  open(): Promise<NativeDevice>;
  /** How far `open`, or else `viewTrainingData` or `uploadTrainingData`, has come: 0…1. Does not wait. */
  progress(): number;
  /** Bytes by purpose. */
  memory(): Promise<NativeMemoryPlan>;
  /** Makes room for `count` training images in host memory, in place of what was added but not uploaded. */
  reserveTrainingData(count: number): void;
  /**
   * Appends images: sample samples[i] of `images` (M, H, W, C), with the class labels[i]. All is copied before it
   * returns, so give it a part at a time.
   */
  addTrainingData(images: Uint8Array, samples: Int32Array, labels: Int32Array): void;
  /**
   * Makes the images from byte `begin` of the file on what is trained on: all of them, of which image i has the class labels[i].
   * They are read where they are, or moved to the device.
   */
  viewTrainingData(file: NativeMappedFile, begin: number, labels: Int32Array): Promise<void>;
  /** Moves what was added to the device, once it is all that there is room for; no more can be added. */
  uploadTrainingData(): Promise<void>;
  runSteps(request: NativeStepsRequest): Promise<NativeStepsResult>;
  infer(request: NativeInferRequest): Promise<NativeInferResult>;
  /**
   * Makes a runSteps in flight end after its current step, an infer reject after its current batch, and `open` and
   * `uploadTrainingData` within some ten milliseconds.
   */
  cancel(): void;
  /** Releases gradients, optimizer state, training activations and data; the session can still infer. */
  endTraining(): Promise<void>;
  /** All parameters, in arena order. */
  parameters(): NativeParameter[];
  /** Of the bits of all that is trained, state included. */
  parametersChecksum(): Promise<string>;
  /** Of several ranks: all have rank 0's parameters then. */
  takeParametersOfFirst(): Promise<void>;
  readParameter(name: string): Promise<Float32Array>;
  /** With `averageDecay` also of what steps change. */
  writeParameter(name: string, values: Float32Array): Promise<void>;
  /** What steps change, beside an average. Valid until endTraining. */
  readTrainedParameter(name: string): Promise<Float32Array>;
  writeTrainedParameter(name: string, values: Float32Array): Promise<void>;
  /** What the optimizer keeps of a trained parameter: 0 is SGD's velocity or Adam's mean, 1 Adam's mean square. */
  readMoment(name: string, moment: number): Promise<Float32Array>;
  writeMoment(name: string, moment: number, values: Float32Array): Promise<void>;
  /** Steps so far: random numbers and Adam's bias correction count on from it. Valid until endTraining. */
  step(): Promise<number>;
  setStep(step: number): Promise<void>;
  /** Gradients of the last step, before they are clipped; valid until endTraining. */
  readGradient(name: string): Promise<Float32Array>;
  /** Cancels what runs, frees all memory, ends the thread; does not wait for it. Calling it twice is allowed. */
  dispose(): void;
}

export interface NativeHeadLossRequest {
  backend: string;
  deviceIndex: number;
  threads: number;
  head: NativeHead;
  embeddingSize: number;
  /** (N, embeddingSize) */
  features: Float32Array;
  /** (numClasses, embeddingSize) */
  weights: Float32Array;
  bias?: Float32Array;
  /** (numClasses, embeddingSize). Default 0. */
  centers?: Float32Array;
  labels: Int32Array;
  lambda: number;
  /** Forward and backward are done so many times, to measure them. Default 1. */
  repetitions?: number;
}

export interface NativeHeadLossResult {
  loss: number;
  /** (N, numClasses): with margin, as trained */
  logits: Float32Array;
  /** (N, numClasses): margin-free, as predicted */
  scores: Float32Array;
  /** (N, numClasses) */
  cosTheta: Float32Array;
  dFeatures: Float32Array;
  dWeights: Float32Array;
  dBias?: Float32Array;
  dScale?: number;
  /** What the centres' rate multiplies */
  dCenters?: Float32Array;
  /** Of each repetition, without copying in and out */
  seconds: Float32Array;
}

export interface NativeSearchConfig {
  backend: string;
  deviceIndex: number;
  threads: number;
  /** Numbers of one embedding */
  size: number;
}

/**
 * Embeddings by direction, on a thread of its own as a session. Rows are numbered from 0. Rejects with INVALID_DATA for an
 * embedding of zeros, or one that is not finite, and with DISPOSED soon after `dispose()`.
 */
export interface NativeSearchIndex {
  /** Appends (N, size) or, where it rejects, nothing. @param number What a message calls the first of them. */
  add(embeddings: Float32Array, number: number): Promise<void>;
  /** The last row takes the place of each, the highest number first. */
  remove(rows: Int32Array): Promise<void>;
  /** (count, size): of length 1 */
  read(first: number, count: number): Promise<Float32Array>;
  /** `top`, from 1 to the number of rows: the nearest of each query, (N, top) each; of equals the lower number first. */
  search(
    queries: Float32Array,
    number: number,
    top: number,
  ): Promise<{ rows: Int32Array; cosines: Float32Array }>;
  dispose(): void;
}
