// The three passes of a convolution as matmuls by im2col: patches of the images, one row per position of the kernel,
// with the weights. Each pixel is copied once per element of the kernel, which pays where oneDNN's convolutions lose
// more than that (convolution_choice.h).
#pragma once

#include "backend/backend.h"
#include "cpu/loops.h"
#include "cpu/matmul.h"
#include "cpu/scratch.h"

namespace margincore {

class Im2colConvolutions {
 public:
  Im2colConvolutions(const Loops& loops, Matmul& matmul) : loops_(loops), matmul_(matmul) {}

  // Convolutions without groups. Operands as in backend.h.
  void forward(Tensor y, Tensor x, Tensor w, Tensor bias, Conv2d conv);
  void backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv);
  void backward_filter(Tensor dw, Tensor dbias, Tensor dy, Tensor x, Conv2d conv);

 private:
  struct Phase;

  /// The patches as a matrix: a copy at `memory`, or the images themselves where they are their own patches.
  Tensor patches_of(const Tensor& images, const Im2colSizes& sizes, void* memory) const;
  /// Of the pixels of dx that have these phases.
  void backward_data(Tensor dx, Tensor dy, Tensor w, const Phase& vertical, const Phase& horizontal);
  /// Their weights: a row for each element of the kernel that joins them to y, in its pixels' order, and channel of y.
  Tensor joining_weights(const Tensor& w, const Phase& vertical, const Phase& horizontal, uint8_t* memory) const;

  const Loops& loops_;
  Matmul& matmul_;
  Scratch scratch_;  // patches; matmuls take their workspace elsewhere
};

}  // namespace margincore
