/** Several random orders out of one. */

export interface IndependentOrders {
  /** One order after another: of `sizes[group]` numbers, 0…size-1 each. */
  readonly numbers: Int32Array;
  /** Where each begins; one more, where the last ends. */
  readonly starts: Int32Array;
}

/** How many things have to be permuted for orders of these sizes. */
export const permuted = (sizes: Int32Array): number => sizes.reduce((sum, size) => sum + size, 0);

/**
 * A permutation of many things orders any part of them, each order as likely as any other, and parts that share nothing independently of
 * one another. So whatever an epoch draws follows from its one permutation.
 * @param permutation Of as many things as the sizes come to
 */
export function independentOrders(permutation: Int32Array, sizes: Int32Array): IndependentOrders {
  const starts = new Int32Array(sizes.length + 1);
  for (const [group, size] of sizes.entries()) starts[group + 1] = starts[group]! + size;
  const groupOf = new Int32Array(permutation.length);
  for (let group = 0; group < sizes.length; group++) groupOf.fill(group, starts[group], starts[group + 1]);
  const next = starts.slice();
  const numbers = new Int32Array(permutation.length);
  for (const thing of permutation) {
    const group = groupOf[thing]!;
    numbers[next[group]!++] = thing - starts[group]!;
  }
  return { numbers, starts };
}
