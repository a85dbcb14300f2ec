import { checkObject } from '../base/check.js';
import type { Init } from './init.js';

/**
 * Layers as plain data. A description is validated and its shapes are inferred in native code, which names the
 * layer that does not fit. Images are NHWC; a linear layer flattens its input in that order.
 */
export type LayerDescription =
  | {
      type: 'conv2d';
      name?: string;
      outChannels: number;
      /** Square kernel, or [height, width] */
      kernelSize: number | [number, number];
      /** Default 1 */
      stride?: number;
      /** Zeros added on every side, or 'same' (stride 1, odd kernel). Default 0 */
      padding?: number | 'same';
      /** Default true */
      bias?: boolean;
      /** Input and output channels fall into so many groups that do not see each other. Default 1 */
      groups?: number;
      /** How weights start. Default: the network's */
      init?: Init;
    }
  | { type: 'relu'; name?: string }
  | {
      /** y = x where x > 0, otherwise slope·x with a trained slope (He et al. 2015). */
      type: 'prelu';
      name?: string;
      /** One slope for all channels instead of one each. Default false */
      shared?: boolean;
      /** Where slopes start. Default 0.25 */
      init?: number;
    }
  | {
      /** Batch norm per channel (Ioffe & Szegedy 2015): statistics of the batch in training, running ones afterwards. */
      type: 'batchNorm';
      name?: string;
      /** Added to the variance. Default 1e-5 */
      epsilon?: number;
      /** Share of the batch in the running statistics, in (0, 1]. Default 0.1 */
      momentum?: number;
    }
  | {
      type: 'maxPool2d';
      name?: string;
      kernelSize: number;
      /** Default: kernelSize */
      stride?: number;
      /** Default 0 */
      padding?: number;
    }
  | {
      /** Padding does not count in an average. */
      type: 'averagePool2d';
      name?: string;
      kernelSize: number;
      /** Default: kernelSize */
      stride?: number;
      /** Default 0 */
      padding?: number;
    }
  | {
      /** (H, W, C) → (C): the mean over all places. */
      type: 'globalAveragePool';
      name?: string;
    }
  | {
      type: 'linear';
      name?: string;
      outFeatures: number;
      /** Default true */
      bias?: boolean;
      /** How weights start. Default: the network's */
      init?: Init;
    }
  | {
      type: 'dropout';
      name?: string;
      /** Probability that a unit is dropped, in [0, 1) */
      rate: number;
    }
  | {
      /** body(x) + shortcut(x) (He et al. 2016), both of one shape. */
      type: 'residual';
      /** Of the sum. */
      name?: string;
      body: readonly LayerDescription[];
      /** Default: none, x itself */
      shortcut?: readonly LayerDescription[];
    }
  | {
      /** The channels of all branches, one after another; a branch without layers is x itself. */
      type: 'concat';
      name?: string;
      /** Two to sixteen */
      branches: readonly (readonly LayerDescription[])[];
    };

/** A layer by its type. */
export type LayerOf<T extends LayerDescription['type']> = Extract<LayerDescription, { type: T }>;

/** A layer's options: all of its description but its type. */
export type LayerOptions<T extends LayerDescription['type']> = Omit<LayerOf<T>, 'type'>;

/** What the object holds is checked in native code. */
const layer = <T extends LayerDescription['type']>(type: T, options: LayerOptions<T>) =>
  ({ type, ...checkObject(options, type, "an object of the layer's options") }) as LayerOf<T>;

/** A convolution: (H, W, C) → (H', W', outChannels). */
export const conv2d = (options: LayerOptions<'conv2d'>) => layer('conv2d', options);

/** max(x, 0). */
export const relu = (options: LayerOptions<'relu'> = {}) => layer('relu', options);

/** The largest of each window, channel by channel. */
export const maxPool2d = (options: LayerOptions<'maxPool2d'>) => layer('maxPool2d', options);

/** y = x where x > 0, otherwise slope·x with a trained slope (He et al. 2015). */
export const prelu = (options: LayerOptions<'prelu'> = {}) => layer('prelu', options);

/** Batch norm per channel (Ioffe & Szegedy 2015): statistics of the batch in training, running ones afterwards. */
export const batchNorm = (options: LayerOptions<'batchNorm'> = {}) => layer('batchNorm', options);

/** The mean of each window, channel by channel. Padding does not count. */
export const averagePool2d = (options: LayerOptions<'averagePool2d'>) => layer('averagePool2d', options);

/** (H, W, C) → (C): the mean over all places. */
export const globalAveragePool = (options: LayerOptions<'globalAveragePool'> = {}) =>
  layer('globalAveragePool', options);

/** body(x) + shortcut(x) (He et al. 2016), both of one shape. */
export const residual = (options: LayerOptions<'residual'>) => layer('residual', options);

/** The channels of all branches, one after another; a branch without layers is x itself. */
export const concat = (options: LayerOptions<'concat'>) => layer('concat', options);

/** W·x + b of all numbers of a sample: (H, W, C) or (D) → (outFeatures). */
export const linear = (options: LayerOptions<'linear'>) => layer('linear', options);

/** Sets a part of the units to 0 in training and scales the others up; nothing afterwards. */
export const dropout = (options: LayerOptions<'dropout'>) => layer('dropout', options);
