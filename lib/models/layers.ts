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
    }
  | { type: 'relu'; name?: string }
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
      type: 'linear';
      name?: string;
      outFeatures: number;
      /** Default true */
      bias?: boolean;
    }
  | {
      type: 'dropout';
      name?: string;
      /** Probability that a unit is dropped, in [0, 1) */
      rate: number;
    };

type Of<T extends LayerDescription['type']> = Extract<LayerDescription, { type: T }>;
type Options<T extends LayerDescription['type']> = Omit<Of<T>, 'type'>;

export const conv2d = (options: Options<'conv2d'>): Of<'conv2d'> => ({ type: 'conv2d', ...options });
export const relu = (options: Options<'relu'> = {}): Of<'relu'> => ({ type: 'relu', ...options });
export const maxPool2d = (options: Options<'maxPool2d'>): Of<'maxPool2d'> => ({
  type: 'maxPool2d',
  ...options,
});
export const linear = (options: Options<'linear'>): Of<'linear'> => ({ type: 'linear', ...options });
export const dropout = (options: Options<'dropout'>): Of<'dropout'> => ({ type: 'dropout', ...options });
