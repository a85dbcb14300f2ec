// The three passes of a convolution by oneDNN: its convolutions, or its products of patches where those are faster.
// Activations stay dense NHWC; weights are kept OHWI and reordered into
// the layout that oneDNN's fast implementations want, through shared scratch, once per call.
#pragma once

#include <string>
#include <vector>

#include "backend/backend.h"
#include "cpu/onednn.h"
#include "cpu/patch_products.h"
#include "cpu/plan_cache.h"
#include "cpu/scratch.h"

namespace margincore {

class Convolutions {
 public:
  Convolutions(const Loops& loops, Products& products, Scratch& scratch)
      : patches_(loops, products), scratch_(scratch), stream_(onednn::engine()) {}

  void forward(Tensor y, Tensor x, Tensor w, Tensor bias, Conv2d conv);
  void backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv);
  void backward_filter(Tensor dw, Tensor dbias, Tensor dy, Tensor x, Conv2d conv);

  void append_names(std::vector<std::string>& names) const { plans_.append_names(names); }

 private:
  enum class Pass : int64_t { Forward, BackwardData, BackwardFilter };

  struct Plan {
    std::string implementation;
    dnnl::primitive primitive;
    dnnl::memory x, w, bias, y, workspace;  // as the primitive wants them; handles are set at each call
    onednn::Operands operands;              // the same, by the primitive's names for them
    dnnl::memory stored_w;                  // OHWI, as the arena has them
    dnnl::reorder reorder;                  // between the two; empty where the layouts are the same
    onednn::Operands reordered;
    bool reorders = false;
    size_t w_bytes = 0, workspace_bytes = 0;
  };

  Plan& plan(Pass pass, const Tensor& x, const Tensor& w, bool has_bias, const Tensor& y, Conv2d conv);
  std::unique_ptr<Plan> make(Pass pass, const Tensor& x, const Tensor& w, bool has_bias, const Tensor& y, Conv2d conv);
  void run(Plan& plan, Pass pass, Tensor x, Tensor w, Tensor bias, Tensor y);

  PatchProducts patches_;
  Scratch& scratch_;
  dnnl::stream stream_;
  PlanCache<Plan> plans_;
};

}  // namespace margincore
