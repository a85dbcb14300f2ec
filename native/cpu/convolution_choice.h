// Which way a pass of a convolution takes: by a rule and not by trying, so that the same training gives the same bits.
#pragma once

#include "backend/backend.h"

namespace margincore {

enum class ConvolutionPass : int64_t { Forward, BackwardData, BackwardFilter };

enum class ConvolutionWay {
  Nhwc,    // oneDNN's convolution on the images as they are
  Blocks,  // the same in blocks of sixteen channels, the images reordered there and back
  Im2col,  // im2col and oneDNN's matmul
};

/// Instructions of the processor that oneDNN uses, as far as the choice depends on them.
struct VectorUnits {
  bool avx512, amx;
};

VectorUnits vector_units();

/// Operands as in backend.h; in a backward pass x, w or y is the gradient of it.
ConvolutionWay choose_convolution(ConvolutionPass pass, const Tensor& x, const Tensor& w, const Tensor& y,
                                  const Conv2d& conv, const VectorUnits& units);

}  // namespace margincore
