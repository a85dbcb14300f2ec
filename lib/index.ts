/** The public interface of margincore. */
export type { Annealing, AnnealingRecipe } from './annealing.js';
export { type BackendInfo, backends, type Device } from './backends.js';
export {
  type DataInput,
  type Dataset,
  datasets,
  type FromArraysOptions,
  type ImageArray,
  type ImageShape,
  type Split,
} from './data/index.js';
export type { ImageInput, LabelInput, SplitInput } from './data/types.js';
export type { Diagnosis } from './diagnoses.js';
export type { Environment } from './environment.js';
export { type ErrorCode, MarginCoreError } from './errors.js';
export type { Controls, EpochEvent, EpochRecord, Margin, Scores, StepEvent } from './events.js';
export type { FirstLoss } from './firstLoss.js';
export { type HeadLossInputs, type HeadLossOptions, type HeadLossResult, headLoss } from './headLoss.js';
export type {
  AmSoftmaxHead,
  ArcFaceHead,
  ASoftmaxHead,
  CenterHead,
  CenterOptions,
  CombinedHead,
  CommonHeadOptions,
  EffectiveHead,
  HeadAlias,
  HeadName,
  HeadOptions,
  L2SoftmaxHead,
  LearnedScale,
  LSoftmaxHead,
  NormFaceHead,
  PedccHead,
  Scale,
  ScaledBnHead,
  ScaledBnOptions,
  SoftmaxHead,
} from './headOptions.js';
export type { AngleReport } from './metrics/angles.js';
export type { HeadStatistics, Percentiles } from './metrics/headStatistics.js';
export { type Embeddings, type Evaluation, Model, type Prediction } from './model.js';
export type { ModelSummary } from './modelSummary.js';
export {
  type EmbeddingOptions,
  type ImageModelOptions,
  type LSoftmaxNetOptions,
  type ModelDescription,
  type ModelImageSize,
  models,
  sequential,
  type VggOptions,
} from './models/index.js';
export {
  averagePool2d,
  batchNorm,
  concat,
  conv2d,
  dropout,
  globalAveragePool,
  type LayerDescription,
  linear,
  maxPool2d,
  prelu,
  relu,
  residual,
} from './models/layers.js';
export type { LayerSummary } from './native.js';
export type { ChannelNormalization, Normalize } from './normalize.js';
export type {
  AdamOptions,
  EffectiveOptimizer,
  OptimizerOptions,
  OptimizerType,
  SgdOptions,
} from './optimizers.js';
export type { Precision, RunOptions, TrainOptions } from './options.js';
export type { ImageSize } from './samples.js';
export { type Duration, type Schedule, type ScheduleProgress, schedules } from './schedules.js';
export { type TrainResult, train } from './train.js';
export type { EffectiveOptions } from './trainJob.js';
