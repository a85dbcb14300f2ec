/** The heads' options as users write them. Formulas: c = cosθ_y, z_j the logit of class j, y the target class. */
import type { Duration } from './schedules.js';

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
}

/** Options of heads with a margin. */
export interface MarginOptions {
  /** The margin grows linearly from 0 to its full size over this part of training. Default 0: in force at once. */
  marginWarmup?: Duration;
}

/**
 * The scale of a cosine head: a number above 0; 'auto', chosen from the number of classes; or learned like a weight,
 * from `init` (by default the head's default scale).
 */
export type Scale = number | 'auto' | { readonly learn: true; readonly init?: number };

/** Plain softmax: z = W·x + b. */
export interface SoftmaxHead extends CommonHeadOptions {
  head?: 'softmax';
  /** Default true */
  bias?: boolean;
}

/** ArcFace (Deng et al. 2019): z_y = s·cos(θ_y + m), and z_j = s·cosθ_j for the other classes. */
export interface ArcFaceHead extends CommonHeadOptions, MarginOptions {
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

/** A head with its options, discriminated by `head`. */
export type HeadOptions = SoftmaxHead | ArcFaceHead;
export type HeadName = NonNullable<HeadOptions['head']>;

/** A head with every option filled in, as it is in force. */
export interface EffectiveHead {
  readonly head: HeadName;
  readonly [option: string]: unknown;
}
