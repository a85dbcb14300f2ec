// Channel ranges of NHWC images: runs of bytes, whatever the type, from a place in each pixel to one in another.
#pragma once

#include "cpu/loops/parallel.h"

namespace margincore::MARGINCORE_ISA {

static void copy_channels(uint8_t* to, const uint8_t* from, int64_t pixels, int64_t to_stride, int64_t from_stride,
                          int64_t bytes) {
  parallel_rows(pixels, bytes, [&](int64_t i) {
    __builtin_memcpy(to + i * to_stride, from + i * from_stride, static_cast<size_t>(bytes));
  });
}

}  // namespace margincore::MARGINCORE_ISA
