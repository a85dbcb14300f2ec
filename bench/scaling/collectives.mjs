// Seconds that a collective takes: a start, its hops, and its bytes over the bus. `bytes` are those of the whole: what an
// all-gather leaves on each rank, what a reduce-scatter and an all-reduce find there.

const nodesOf = (ranks, { gpusPerNode }) => Math.ceil(ranks / gpusPerNode);

const busOf = (ranks, network) =>
  network.busBytesPerSecond[nodesOf(ranks, network) === 1 ? 'within' : 'between'];

/** Once around the ring: each rank passes on all parts but one, over ranks - 1 hops. */
function around(bytes, ranks, network) {
  const nodes = nodesOf(ranks, network);
  const { within, between } = network.ringHopSeconds;
  const hops = (ranks - nodes) * within + (nodes - 1) * between;
  return ((ranks - 1) / ranks) * (bytes / busOf(ranks, network)) + hops;
}

export const ringAllGather = (bytes, ranks, network) => network.startSeconds + around(bytes, ranks, network);
export const ringReduceScatter = ringAllGather;

/** A reduce-scatter and an all-gather in one. */
export const ringAllReduce = (bytes, ranks, network) =>
  network.startSeconds + 2 * around(bytes, ranks, network);

/** Up a tree and down: a chain within each node, a binary tree of the nodes. */
export function treeAllReduce(bytes, ranks, network) {
  const nodes = nodesOf(ranks, network);
  const { within, between } = network.treeHopSeconds;
  const hops = (ranks / nodes - 1) * within + Math.log2(nodes) * between;
  return network.startSeconds + 2 * (bytes / busOf(ranks, network) + hops);
}

/** The faster of the two: NCCL chooses by such a model too. */
export const allReduce = (bytes, ranks, network) =>
  Math.min(ringAllReduce(bytes, ranks, network), treeAllReduce(bytes, ranks, network));
