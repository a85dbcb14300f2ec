// The three passes of a convolution by oneDNN: its convolutions, or its matmuls of im2col where those are faster.
// Activations stay dense NHWC, weights OHWI. Operands are reordered into the layout that oneDNN's fast implementations
// want, through shared scratch, once per call: weights wherever it differs, images where that pays.
#pragma once

#include <string>
#include <vector>

#include "backend/backend.h"
#include "cpu/convolution_choice.h"
#include "cpu/im2col.h"
#include "cpu/onednn.h"
#include "cpu/plan_cache.h"
#include "cpu/scratch.h"

namespace margincore {

class Convolutions {
 public:
  Convolutions(const Loops& loops, Matmul& matmul, Scratch& scratch)
      : im2col_(loops, matmul), scratch_(scratch), stream_(onednn::engine()) {}

  void forward(Tensor y, Tensor x, Tensor w, Tensor bias, Conv2d conv);
  void backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv);
  void backward_filter(Tensor dw, Tensor dbias, Tensor dy, Tensor x, Conv2d conv);

  void append_names(std::vector<std::string>& names) const { plans_.append_names(names); }

 private:
  using Pass = ConvolutionPass;

  /// An operand as it is in memory, and as the primitive wants it: a copy in scratch where the two differ.
  struct Staged {
    dnnl::memory stored, wanted;  // handles are set at each call
    dnnl::reorder reorder;        // from the one to the other, of a result back; empty where they are the same
    onednn::Operands operands;
    size_t bytes = 0;  // of the copy

    void describe(const dnnl::memory::desc& in_memory, const dnnl::memory::desc& for_primitive, bool is_result);
    void bind(void* data, char* copy);
    void convert(const dnnl::stream& stream) const;
  };

  struct Plan {
    std::string implementation;
    dnnl::primitive primitive;
    Staged x, w, y;
    dnnl::memory bias, workspace;
    onednn::Operands operands;  // of the primitive, by its names for them
    size_t workspace_bytes = 0;
  };

  Plan& plan(Pass pass, ConvolutionWay way, const Tensor& x, const Tensor& w, bool has_bias, const Tensor& y,
             Conv2d conv);
  std::unique_ptr<Plan> make(Pass pass, ConvolutionWay way, const Tensor& x, const Tensor& w, bool has_bias,
                             const Tensor& y, Conv2d conv);
  void run(Plan& plan, Pass pass, Tensor x, Tensor w, Tensor bias, Tensor y);

  const VectorUnits units_ = vector_units();
  Im2colConvolutions im2col_;
  Scratch& scratch_;
  dnnl::stream stream_;
  PlanCache<Plan> plans_;
};

}  // namespace margincore
