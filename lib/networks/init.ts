/** Rules by which the weights of a convolution or linear layer start; native code computes them. */
export const INIT_RULES = {
  fanInUniform: 'within ±1/√fanIn',
  pytorch: "the same, and biases too: the default of PyTorch's layers",
  heNormal: "normal, variance 2/fanIn (He et al. 2015): PyTorch's `kaiming_normal_`, Caffe's `msra`",
  heNormalFanOut: "normal, variance 2/fanOut: `kaiming_normal_` with `mode='fan_out'`",
  heUniform: 'within ±√(6/fanIn): `kaiming_uniform_` for ReLU',
  lecunUniform: "within ±√(3/fanIn): Caffe's `xavier`",
  xavierNormal: 'normal, variance 2/(fanIn + fanOut) (Glorot & Bengio 2010)',
  xavierUniform: 'within ±√(6/(fanIn + fanOut))',
} as const;

/** A rule by name. */
export type InitRule = keyof typeof INIT_RULES;

/**
 * How the weights of a convolution or linear layer start: a rule, or normally distributed with a standard deviation
 * from 1e-12 to 1e4. Biases start at 0, but for 'pytorch'.
 *
 * A convolution's fanIn is kernel height × width × input channels of one group, its fanOut kernel height × width ×
 * output channels, as PyTorch counts; a linear layer's are its inputs and outputs.
 */
export type Init = InitRule | { readonly std: number };
