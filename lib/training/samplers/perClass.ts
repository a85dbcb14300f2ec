import type { Classes } from './classes.js';
import { Decks } from './decks.js';
import { independentOrders, permuted } from './independentOrders.js';

/**
 * Batches of `classes` different classes with `images` images of each. No class comes again before all have come, and no image of a class before
 * all of it have: what a batch has already comes last, so that an image is in a batch twice only where its class has fewer than
 * `images`. Returns places among the samples, a batch's classes one after another.
 * @param permutation A random order of so many things
 */
export function perClassOrder(
  { order, starts, present }: Classes,
  { classes, images, batches }: { classes: number; images: number; batches: number },
  permutation: (count: number) => Int32Array,
): Int32Array {
  const rounds = Math.ceil((batches * classes) / present.length);
  const sizes: number[] = Array(rounds).fill(present.length);
  const firstDeck = new Int32Array(present.length);
  for (const [index, label] of present.entries()) {
    firstDeck[index] = sizes.length;
    const size = starts[label + 1]! - starts[label]!;
    for (let left = rounds * images; left > 0; left -= size) sizes.push(size);
  }
  const groups = Int32Array.from(sizes);
  const orders = independentOrders(permutation(permuted(groups)), groups);
  const ofClasses = new Decks(orders.numbers, present.length, 0);
  const ofImages = Array.from(
    present,
    (label, index) =>
      new Decks(orders.numbers, starts[label + 1]! - starts[label]!, orders.starts[firstDeck[index]!]!),
  );
  const places = new Int32Array(batches * classes * images);
  let end = 0;
  for (let batch = 0; batch < batches; batch++) {
    for (const index of ofClasses.deal(classes)) {
      const begin = starts[present[index]!]!;
      for (const image of ofImages[index]!.deal(images)) places[end++] = order[begin + image]!;
    }
  }
  return places;
}
