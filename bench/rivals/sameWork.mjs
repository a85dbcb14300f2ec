/**
 * Notices a contender that did not do the work it was given: steps of another batch size, a network of another size than
 * the first contender's, a loss that is no number. Those in JavaScript say less of themselves.
 */
export class SameWork {
  /** Of each work: how many parameters, and whose. */
  #sizes = new Map();

  /** @throws Error with the difference */
  check(job, { loss, images, steps, parameters }) {
    if (!Number.isFinite(loss)) throw new Error(`its loss became ${loss}`);
    if (steps !== undefined && images !== steps * job.batch) {
      throw new Error(`it took ${images} images in ${steps} steps, not ${job.batch} in each`);
    }
    if (parameters === undefined) return;
    const known = this.#sizes.get(job.work);
    if (known === undefined) this.#sizes.set(job.work, { parameters, contender: job.contender });
    else if (parameters !== known.parameters) {
      throw new Error(`its network has ${parameters} parameters, ${known.contender}'s ${known.parameters}`);
    }
  }
}
