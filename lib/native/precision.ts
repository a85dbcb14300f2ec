export const PRECISIONS = ['fp32', 'tf32', 'bf16'] as const;

/**
 * 'fp32': single precision throughout. 'tf32': matmuls and convolutions round their operands to 11 bits, which tensor
 * cores take; on the CPU it means 'fp32'. 'bf16': activations and the weights of layers are stored with 8 bits of
 * precision and multiplied so, sums are fp32; the parameters themselves, the head and the optimizer stay fp32 (the
 * head's matmuls are taken as with 'tf32'). Both need a card of compute capability 8.0 or newer; on the CPU, 'bf16' needs
 * a processor with AVX512_BF16 or AMX instructions.
 */
export type Precision = (typeof PRECISIONS)[number];

/** The precision in force. */
export const precisionOn = (backend: string, precision: Precision): Precision =>
  backend === 'cpu' && precision === 'tf32' ? 'fp32' : precision;
