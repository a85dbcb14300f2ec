// Which classes a step compares (base/class_draw.h): a block of threads for each block of classes, whose keys they keep in
// registers. The lowest keys are found by halving the range of their limit, bit by bit: 32 sums over the block. Each thread
// looks at all labels for those of its own classes, so that none is told of another's.
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"

namespace margincore::cuda {

namespace {

using device::thread;

constexpr int kEach = kMaxClassBlock / kBlock;  // neighbours that a thread has
static_assert(kEach % 4 == 0, "random bits come for four");

/// Bit e: whether a label is `first` + e.
MARGINCORE_DEVICE unsigned labels_among(int64_t first, const int32_t* labels, int64_t rows, int32_t* shared) {
  unsigned found = 0;
  for (int64_t begin = 0; begin < rows; begin += kBlock) {
    const int count = static_cast<int>(rows - begin < kBlock ? rows - begin : kBlock);
    device::sync_block();  // shared may still be read
    if (thread() < count) shared[thread()] = labels[begin + thread()];
    device::sync_block();
    for (int k = 0; k < count; ++k) {
      const int64_t place = shared[k] - first;
      if (place >= 0 && place < kEach) found |= 1u << place;
    }
  }
  return found;
}

MARGINCORE_DEVICE int count_up_to(const uint32_t (&keys)[kEach], uint32_t limit) {
  int count = 0;
  MARGINCORE_UNROLL
  for (int e = 0; e < kEach; ++e) count += keys[e] <= limit ? 1 : 0;
  return count;
}

MARGINCORE_KERNEL draw_kernel(int32_t* drawn, const int32_t* labels, int64_t rows, ClassDraw draw,
                              const StepBlock* step) {
  MARGINCORE_SHARED(int32_t, shared, kBlock);
  const int64_t number = device::block(), begin = number * draw.block;
  const int size = static_cast<int>(draw.size_of(number)), first = thread() * kEach;
  const unsigned is_label = labels_among(begin + first, labels, rows, shared);
  uint32_t keys[kEach];
  MARGINCORE_UNROLL
  for (int four = 0; four < kEach; four += 4) {
    const Random4 bits = class_bits(step->seed, step->step, (draw.first + begin + first + four) / 4);
    MARGINCORE_UNROLL
    for (int k = 0; k < 4; ++k) {
      const int place = first + four + k;
      keys[four + k] = (is_label >> (four + k)) % 2 != 0 ? label_key(place) : random_key(place, bits.value[k]);
      if (place >= size) keys[four + k] = ~0u;
    }
  }

  const int wanted = static_cast<int>(draw.drawn_of(number));
  uint32_t limit = 0;
  MARGINCORE_ROLL
  for (uint32_t bit = 1u << 31; bit != 0; bit >>= 1)
    if (block_sum(count_up_to(keys, limit + (bit - 1)), shared) < wanted) limit += bit;

  device::sync_block();
  shared[thread()] = count_up_to(keys, limit);
  device::sync_block();
  int64_t next = number * draw.drawn;
  for (int before = 0; before < thread(); ++before) next += shared[before];
  MARGINCORE_UNROLL
  for (int e = 0; e < kEach; ++e)
    if (keys[e] <= limit) drawn[next++] = static_cast<int32_t>(begin + first + e);
}

/// A thread for each row.
MARGINCORE_KERNEL places_kernel(int32_t* places, const int32_t* drawn, const int32_t* labels, int64_t rows,
                                ClassDraw draw) {
  const int64_t i = device::global_thread();
  if (i < rows) places[i] = place_among(drawn, labels[i], draw);
}

}  // namespace

void draw_classes(int32_t* drawn, int32_t* places, const int32_t* labels, int64_t rows, const ClassDraw& draw,
                  const StepBlock* step, cudaStream_t stream) {
  MARGINCORE_RUN(draw_kernel, draw.blocks(), kBlock, stream, drawn, labels, rows, draw, step);
  MARGINCORE_RUN(places_kernel, blocks_for(rows, kBlock), kBlock, stream, places, drawn, labels, rows, draw);
}

}  // namespace margincore::cuda
