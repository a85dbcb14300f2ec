// Which classes a step compares: base/class_draw.h.
#pragma once

#include "base/class_draw.h"
#include "cpu/loops/parallel.h"

namespace margincore::MARGINCORE_ISA {

static int64_t count_up_to(const uint32_t* keys, int64_t count, uint32_t limit) {
  int32_t found = 0;
#pragma omp simd reduction(+ : found)
  for (int64_t k = 0; k < count; ++k) found += keys[k] <= limit ? 1 : 0;
  return found;
}

/// The lowest number that so many of the keys do not exceed.
static uint32_t limit_of_lowest(const uint32_t* keys, int64_t count, int64_t wanted) {
  uint32_t limit = 0;
  for (uint32_t bit = 1u << 31; bit != 0; bit >>= 1)  // limit + bit - 1: all below, were the bit not set
    if (count_up_to(keys, count, limit + (bit - 1)) < wanted) limit += bit;
  return limit;
}

static void draw_classes(int32_t* drawn, int32_t* places, uint32_t* keys, const int32_t* labels, int64_t rows,
                         const ClassDraw& draw, const StepBlock& step) {
  parallel_rows(draw.blocks(), draw.block, [&](int64_t number) {
    const int64_t begin = number * draw.block, size = draw.size_of(number);
    for (int64_t place = 0; place < size; place += 4) {
      const Random4 bits = class_bits(step.seed, step.step, (draw.first + begin + place) / 4);
      for (int64_t k = 0; k < 4 && place + k < size; ++k)
        keys[begin + place + k] = random_key(place + k, bits.value[k]);
    }
  });
  for (int64_t i = 0; i < rows; ++i)
    if (labels[i] >= 0 && labels[i] < draw.count) keys[labels[i]] = label_key(labels[i] % draw.block);
  parallel_rows(draw.blocks(), 32 * draw.block, [&](int64_t number) {
    const int64_t begin = number * draw.block, size = draw.size_of(number);
    const uint32_t limit = limit_of_lowest(keys + begin, size, draw.drawn_of(number));
    int32_t* next = drawn + number * draw.drawn;
    for (int64_t place = 0; place < size; ++place)
      if (keys[begin + place] <= limit) *next++ = static_cast<int32_t>(begin + place);
  });
  parallel_rows(rows, 16, [&](int64_t i) { places[i] = place_among(drawn, labels[i], draw); });
}

}  // namespace margincore::MARGINCORE_ISA
