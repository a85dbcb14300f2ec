// What the model takes for given, each with where it comes from. "Assumed" has no source: it is a guess to be doubted.

export const EMBEDDING_SIZE = 512; // InsightFace's, and that of the head alone in results/h100/
export const FLOAT = 4; // bytes

/** One GPU: an H100 with 80 GB. */
export const CARD = {
  // Assumed: 60 % of the 495 TFLOP/s that NVIDIA states for dense TF32.
  matmulFlopsPerSecond: 300e12,
  // margin_softmax, 100,000 classes: 2,579 GB/s (results/h100/bandwidth.md). A copy moves 3,005, most operations 2,700 to 3,000.
  memoryBytesPerSecond: 2.6e12,
  memoryBytes: 80e9,
};

/** The network before the head. */
export const BACKBONE = {
  parameters: 43.6e6, // InsightFace's ResNet-50 for faces of 112 × 112
  // Assumed, the update included, for any number of images per GPU: no network of this size was measured on a card.
  imagesPerSecond: 4000,
  // Two of the three convolutions of a layer in a step are backward ones.
  backwardShare: 2 / 3,
};

// How often the head's forward and backward pass reads or writes each of its matrices: counted in native/nn/head.cpp for
// ArcFace. margin_softmax reads the logits twice and writes once, as results/h100/bandwidth.md counts its bytes too.
/** N × C: written by the matmul, three times by the softmax, read by the two matmuls that go back. */
export const LOGIT_PASSES = 6;
/** C × D: read by the matmul, by the norms, by the matmul to dx; dW written; and what removes its radial part: three. */
export const WEIGHT_PASSES = 7;
/** N × D: two of the normalisation, read by two matmuls, dx written, and the normalisation backward: three. */
export const EMBEDDING_PASSES = 8;

/** The least that an update moves, as results/h100/bandwidth.md counts it: weights and moments both ways, the gradient once. */
export const OPTIMIZERS = {
  sgd: { label: 'SGD with momentum', moments: 1, updatePasses: 5 },
  adam: { label: 'Adam', moments: 2, updatePasses: 7 },
};

/** Of the classes, that a step of Partial FC computes with: 0.1 in its paper (arXiv 2203.15565). */
export const SAMPLED_SHARE = 0.1;

/** From so many GPUs on embeddings are gathered in bf16; their gradients are always added up in fp32. Assumed. */
export const BF16_EMBEDDINGS_FROM = 256;

/** PyTorch's DistributedDataParallel: 25 MiB, and 1 MiB for the first that is full. */
export const BUCKET_BYTES = { first: 2 ** 20, others: 25 * 2 ** 20 };

/**
 * Seconds. NCCL 2.30.7's own model, src/graph/tuning.cc, protocol LL128: its base latency, and the latencies of a hop over
 * NVLink and of one over the network.
 */
const NCCL_LATENCIES = {
  startSeconds: 14e-6,
  ringHopSeconds: { within: 1.9e-6, between: 4e-6 },
  treeHopSeconds: { within: 1.25e-6, between: 8.5e-6 },
};

/** Bytes/s that a GPU sends and receives at once, as nccl-tests counts "busbw". */
const NVLINK_BUS = 350e9; // Assumed: NVLink 4 has 450 GB/s either way; the same as the network, so that a ring has one speed
export const NETWORKS = {
  // 8 × 46 to 48 GB/s are what NCCL's maintainers expect of 400 Gbit/s cards (github.com/NVIDIA/nccl-tests, 290), less 5 %.
  fast: {
    ...NCCL_LATENCIES,
    gpusPerNode: 8,
    busBytesPerSecond: { within: NVLINK_BUS, between: 350e9 },
  },
  // Assumed: 88 % of 100 Gbit/s, which are 12.5 GB/s.
  slow: {
    ...NCCL_LATENCIES,
    gpusPerNode: 8,
    busBytesPerSecond: { within: NVLINK_BUS, between: 11e9 },
  },
};
