import type { Classes } from './classes.js';
import { independentOrders, permuted } from './independentOrders.js';

/**
 * So many draws, of each class as many as of any other, to within one: which classes have one more is drawn, and so is the order in which classes
 * come. Within a class no image comes again before all have come; then they come in a new order. Returns places among the samples.
 * @param permutation A random order of so many things
 */
export function classBalancedOrder(
  { order, starts, present }: Classes,
  draws: number,
  permutation: (count: number) => Int32Array,
): Int32Array {
  const most = Math.ceil(draws / present.length);
  const sizes: number[] = [draws, present.length];
  const firstPass = new Int32Array(present.length);
  for (const [index, label] of present.entries()) {
    firstPass[index] = sizes.length;
    const images = starts[label + 1]! - starts[label]!;
    for (let left = most; left > 0; left -= images) sizes.push(images);
  }
  const groups = Int32Array.from(sizes);
  const orders = independentOrders(permutation(permuted(groups)), groups);
  const turns = orders.numbers.subarray(0, draws);
  const classes = orders.numbers.subarray(draws, draws + present.length);
  const drawn = new Int32Array(present.length);
  return turns.map((turn) => {
    const index = classes[turn % present.length]!;
    const image = orders.numbers[orders.starts[firstPass[index]!]! + drawn[index]!++]!;
    return order[starts[present[index]!]! + image]!;
  });
}
