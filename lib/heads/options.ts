/** The heads' options as users write them. Formulas: c = cosθ_y, z_j the logit of class j, y the target class. */
import type { Annealing } from '../schedules/annealing.js';
import type { Duration } from '../schedules/duration.js';

/** Options that every head has. */
export interface CommonHeadOptions {
  /**
   * Probability, in [0, 1), that a feature is dropped in training: after normalisation and scale, before the product
   * with the class weights. Default 0.
   */
  featureDropout?: number;
  /** One weight ≥ 0 per class; the loss is the weighted mean of PyTorch's cross_entropy. Default: all alike. */
  classWeights?: readonly number[] | Float32Array | Float64Array;
  /** Share of the target, in [0, 1), spread evenly over all classes, as in PyTorch's cross_entropy. Default 0. */
  labelSmoothing?: number;
  /** Multiplies the learning rate of the head's own parameters. Default 1. */
  headLr?: number;
  /** The margin grows linearly from none to its full size over this part of training. Default 0: in force at once. */
  marginWarmup?: Duration;
  /** Normalises each class's logit over the batch before the softmax. Default: none. */
  logitNormalizer?: 'scaled-bn' | ({ readonly type: 'scaled-bn' } & ScaledBnOptions);
  /** Adds the distance of each embedding to its class's centre to the loss. Default: none. */
  auxiliary?: 'center' | ({ readonly type: 'center' } & CenterOptions);
}

/** ẑ_j = m·(z_j − E[z_j])/√(Var[z_j] + epsilon) over the batch, running statistics at inference (Zhu et al. 2020, eq. 9). */
export interface ScaledBnOptions {
  /** Scale of the normalised logits, above 0. Default 1. */
  readonly m?: number;
  /** Default 1e-5 */
  readonly epsilon?: number;
}

/**
 * + weight/2·mean‖x − c_y‖² (Wen et al. 2016, eq. 2), with x of length 1 where the head normalises each feature. Centres
 * start at 0 and follow their class: c_j −= rate·Σ(c_j − x)/(1 + n_j).
 */
export interface CenterOptions {
  /** ≥ 0. Default 0.01. */
  readonly weight?: number;
  /** In [0, 1]. Default 0.5. */
  readonly rate?: number;
}

/**
 * A scale: a number above 0; 'auto', chosen from the number of classes; or learned like a weight, from `init` (by default
 * the head's default scale).
 */
export type Scale = number | 'auto' | LearnedScale;

/** A scale that is learned like a weight, from `init` on, a number above 0. Default of `init`: the head's default scale. */
export interface LearnedScale {
  readonly learn: true;
  readonly init?: number;
}

/** Plain softmax: z = W·x + b. */
export interface SoftmaxHead extends CommonHeadOptions {
  head?: 'softmax';
  /** Default true; false beside a logit normaliser, which would take the bias away again. */
  bias?: boolean;
}

/** L2-constrained softmax (Ranjan et al. 2017, eq. 3): z = W·(α·x/‖x‖) + b. */
export interface L2SoftmaxHead extends CommonHeadOptions {
  head: 'l2-softmax' | 'l2';
  /** Length α of the features; 0 is plain softmax. Default 16. */
  alpha?: number | LearnedScale;
  /**
   * 'sample' (default): each feature is divided by its own norm. 'batch': all are divided by the norm of the whole batch
   * matrix, and by none in prediction, which must not depend on the batch.
   */
  l2Scope?: 'sample' | 'batch';
  /** Default true; false beside a logit normaliser. */
  bias?: boolean;
}

/** NormFace (Wang et al. 2017): z_j = s·cosθ_j. */
export interface NormFaceHead extends CommonHeadOptions {
  head: 'normface';
  /** Default 16 */
  s?: Scale;
}

/** L-Softmax (Liu et al. 2016, eq. 6): z_y = ‖w_y‖‖x‖ψ(mθ_y), mixed with the plain logit by λ. */
export interface LSoftmaxHead extends CommonHeadOptions {
  head: 'l-softmax';
  /** Whole number in 1…16; 1 is plain softmax without a bias. Default 4. */
  m?: number;
  /** The target logit is (λ·plain + with margin)/(1 + λ). Default: from 1000 to 5, where it stays for the last two fifths of training. */
  lambda?: Annealing;
}

/** A-Softmax, SphereFace (Liu et al. 2017, eq. 7): z_y = ‖x‖ψ(mθ_y) and z_j = ‖x‖cosθ_j, mixed by λ. */
export interface ASoftmaxHead extends CommonHeadOptions {
  head: 'a-softmax' | 'sphereface';
  /** Whole number in 1…16. Default 4. */
  m?: number;
  /** The target logit is (λ·plain + with margin)/(1 + λ). Default: from 1000 to 5, where it stays for the last two fifths of training. */
  lambda?: Annealing;
}

/** AM-Softmax, CosFace (Wang et al. 2018, eq. 5): z_y = s·(c − m), and z_j = s·cosθ_j. */
export interface AmSoftmaxHead extends CommonHeadOptions {
  head: 'am-softmax' | 'cosface';
  /** In [0, 2]. Default 0.35. */
  m?: number;
  /** Default 30 */
  s?: Scale;
}

/** ArcFace (Deng et al. 2019, eq. 3): z_y = s·cos(θ_y + m), and z_j = s·cosθ_j. */
export interface ArcFaceHead extends CommonHeadOptions {
  head: 'arcface';
  /** Additive angular margin in RADIANS, in [0, π/2]. Default 0.5. */
  m?: number;
  /** Default 30 */
  s?: Scale;
  /**
   * The target factor where θ + m > π. 'continue' (default): −2 − cos(θ + m), continuous and monotone;
   * 'linear': c − m·sin m, the rule of InsightFace; 'none': cos(θ + m), which rises again.
   */
  wrap?: 'continue' | 'linear' | 'none';
  /** Margin only where c > 0. Default false. */
  easyMargin?: boolean;
  /** 'exact' (default); or 'detached', which takes dz_y/dc = s. */
  gradient?: 'exact' | 'detached';
}

/** All three margins at once (Deng et al. 2019, eq. 4): z_y = s·(ψ(m1·θ_y + m2) − m3), and z_j = s·cosθ_j. */
export interface CombinedHead extends CommonHeadOptions {
  head: 'combined';
  /** Multiplies the angle: a number in (0, 16]. Default 1. */
  m1?: number;
  /** Added to the angle, in RADIANS, in [0, π/2]. Default 0.5. */
  m2?: number;
  /** Taken from the cosine, in [0, 2]. Default 0. */
  m3?: number;
  /** Default 30 */
  s?: Scale;
}

/**
 * PEDCC-loss (Zhu et al. 2019): AM-Softmax with class weights that are spread evenly over the sphere before training and
 * stay there, + weight·mean‖x/‖x‖ − c_y‖².
 */
export interface PedccHead extends Omit<CommonHeadOptions, 'auxiliary'> {
  head: 'pedcc';
  /** In [0, 2]. Default 0.35. */
  m?: number;
  /** Default 7.5 */
  s?: Scale;
  /** Of the distance to the own centroid, ≥ 0. Default 1. */
  weight?: number;
}

/** Softmax with center loss (Wen et al. 2016, eq. 5). */
export interface CenterHead extends Omit<CommonHeadOptions, 'auxiliary'>, CenterOptions {
  head: 'center';
  /** Default true; false beside a logit normaliser. */
  bias?: boolean;
}

/** Softmax of batch-normalised logits (Zhu et al. 2020, eq. 9): m·(z_j − E[z_j])/√(Var[z_j] + epsilon), z = W·x. */
export interface ScaledBnHead extends Omit<CommonHeadOptions, 'logitNormalizer'>, ScaledBnOptions {
  head: 'scaled-bn' | 'sbn';
}

/** A head with its options, discriminated by `head`. */
export type HeadOptions =
  | SoftmaxHead
  | L2SoftmaxHead
  | NormFaceHead
  | LSoftmaxHead
  | ASoftmaxHead
  | AmSoftmaxHead
  | ArcFaceHead
  | CombinedHead
  | PedccHead
  | CenterHead
  | ScaledBnHead;

/** Other names of a head, which its first name stands for everywhere else. */
export type HeadAlias = 'l2' | 'sphereface' | 'cosface' | 'sbn';

/** The heads by their first names. */
export type HeadName = Exclude<NonNullable<HeadOptions['head']>, HeadAlias>;

/** A head with every option filled in, as it is in force. */
export interface EffectiveHead {
  readonly head: HeadName;
  readonly [option: string]: unknown;
}
