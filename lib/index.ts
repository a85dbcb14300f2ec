/**
 * The public interface of margincore.
 * @module margincore
 */

export { type ErrorCode, MarginCoreError } from './base/errors.js';
export type { Note, NoteCode } from './base/note.js';
export { type CompareOptions, compare } from './comparison/compare.js';
export type { AgainstSoftmax, Comparison, ComparisonRow } from './comparison/comparison.js';
export type { HeadChoice } from './comparison/grid.js';
export type { PairedTest } from './comparison/pairedTest.js';
export type { SearchDecision } from './comparison/search.js';
export type { Augment, AugmentOptions, AugmentPolicy, Interval } from './data/augment.js';
export type { Picture } from './data/decode.js';
export type { Cifar100Options } from './data/formats/cifar.js';
export type { EmnistOptions } from './data/formats/emnist.js';
export type { ImageFolderOptions } from './data/formats/imageFolder.js';
export type { PicturePair } from './data/formats/lfwPairs.js';
export type { PictureListOptions } from './data/formats/pictureListFile.js';
export type { SplitArrays } from './data/fromArrays.js';
export type { ImageSize } from './data/imageSize.js';
export {
  type Classes,
  type DataInput,
  type DataInspection,
  type DataOption,
  type DataPath,
  type DataPathOptions,
  type Dataset,
  datasets,
  type FromArraysOptions,
  type ImageArray,
  type ImageShape,
  inspectData,
  type OpenSet,
  type Split,
  type SubsetOptions,
} from './data/index.js';
export type { BrokenPicture, ClassCount } from './data/inspect.js';
export type { Loading, LoadingProgress } from './data/loading.js';
export type { ChannelNormalization, Normalize, NormalizeRule } from './data/normalize.js';
export type { PictureOptions } from './data/pictures/options.js';
export type { Preprocessing } from './data/preprocessing.js';
export type { ArraysInput, ImageInput, LabelInput, PixelBytes, SplitInput } from './data/types.js';
export type { Diagnosis } from './diagnoses/diagnosis.js';
export type { DistributedOptions } from './distributed/options.js';
export type { AnalysedEpoch, Analysis } from './experiments/analysis.js';
export type { MeasureName, Outcome } from './experiments/outcome.js';
export type { Recipe, RecipeRow, RecipeTest, RowKey, SharedOptions } from './experiments/recipe.js';
export { RECIPES as recipes } from './experiments/recipes/index.js';
export {
  type RecipeOptions,
  type RecipeResult,
  type RecipeResultRow,
  type RunDone,
  runRecipe,
} from './experiments/runRecipe.js';
export type { Spread } from './experiments/spread.js';
export type { FirstLoss } from './heads/firstLoss.js';
export {
  type HeadLossInputs,
  type HeadLossOptions,
  type HeadLossResult,
  headLoss,
} from './heads/headLoss.js';
export type { Margin } from './heads/margin.js';
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
} from './heads/options.js';
export type { Scores } from './metrics/accuracy.js';
export type { AngleReport } from './metrics/angles.js';
export type { ReliabilityBin } from './metrics/calibration.js';
export {
  type ClassificationOptions,
  type ClassificationReport,
  type ClassOutputs,
  type ClassScores,
  classificationReport,
} from './metrics/classification.js';
export {
  type EmbeddingReport,
  type EmbeddingReportOptions,
  embeddingReport,
  type References,
} from './metrics/embeddingReport.js';
export type { Embeddings } from './metrics/embeddings.js';
export type { Histogram } from './metrics/growingHistogram.js';
export type { HeadStatistics, Percentiles } from './metrics/headStatistics.js';
export type { ConfusedPair, Mistake } from './metrics/mistakes.js';
export type { NeighbourScores } from './metrics/neighbours.js';
export { type RocCurve, rocCurve } from './metrics/rocCurve.js';
export { type Calibration, calibrateThreshold } from './metrics/verification.js';
export {
  type FoldAccuracy,
  type VerificationAccuracy,
  type VerificationAccuracyOptions,
  verificationAccuracy,
} from './metrics/verificationAccuracy.js';
export { type VerificationScores, verificationScores } from './metrics/verificationScores.js';
export { DistributedGallery, type DistributedGalleryOptions } from './model/distributedGallery.js';
export {
  Gallery,
  type GalleryOptions,
  type Identification,
  type IdentifyOptions,
  type Match,
} from './model/gallery.js';
export {
  type ClassCentres,
  type Evaluation,
  type LogitStatistics,
  Model,
  type Prediction,
  type Verification,
} from './model/model.js';
export { allPairs, type Pairs } from './model/pairs.js';
export type { ImagesInput } from './model/pictures.js';
export type { ModelSummary } from './model/summary.js';
export { type BackendInfo, backends, type Device } from './native/backends.js';
export type { LayerSummary } from './native/contract.js';
export type { Environment, MemoryPlan } from './native/environment.js';
export type { Precision } from './native/precision.js';
export {
  type EmbeddingOptions,
  type ImageModelOptions,
  type LSoftmaxNetOptions,
  type ModelDescription,
  models,
  sequential,
  type VggOptions,
} from './networks/index.js';
export type { Init, InitRule } from './networks/init.js';
export {
  averagePool2d,
  batchNorm,
  concat,
  conv2d,
  dropout,
  globalAveragePool,
  type LayerDescription,
  type LayerOf,
  type LayerOptions,
  linear,
  maxPool2d,
  prelu,
  relu,
  residual,
} from './networks/layers.js';
export { type ContactSheetOptions, contactSheet } from './report/contactSheet/contactSheet.js';
export type { Neighbour } from './report/contactSheet/neighbours.js';
export type { ContactSheet, ShownMistake } from './report/contactSheet/sheet.js';
export type { Annealing, AnnealingRecipe } from './schedules/annealing.js';
export type { Duration } from './schedules/duration.js';
export { type Schedule, type ScheduleProgress, schedules } from './schedules/learningRate.js';
export type { MomentumRange, OneCycle } from './schedules/oneCycle.js';
export { train } from './train.js';
export type { Monitor } from './training/best.js';
export type {
  Controls,
  EpochControls,
  EpochEvent,
  EpochRecord,
  StepEvent,
} from './training/events.js';
export type { EffectiveOptions } from './training/job.js';
export type {
  AdamOptions,
  EffectiveOptimizer,
  OptimizerOptions,
  OptimizerType,
  SgdOptions,
} from './training/optimizers.js';
export type { CheckpointEvery, RunOptions, TrainOptions } from './training/options.js';
export type { TrainResult } from './training/run.js';
export type { RunNote } from './training/runNote.js';
export type { ClassBalancedOptions, PerClassOptions, SamplerOptions } from './training/samplers/options.js';
export {
  type FindLearningRateOptions,
  findLearningRate,
  type LearningRateSearch,
} from './tuning/findLearningRate.js';
export type { Suggestions as LearningRateSuggestions } from './tuning/rateCurve.js';
export type { WatchOptions } from './watch/options.js';
export { type Watch, watchRuns } from './watch/watchRuns.js';
