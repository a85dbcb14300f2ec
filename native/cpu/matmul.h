// Matmul by oneDNN. All three of a linear layer work on the plain row-major matrices of the arenas: this
// library's brgemm copies what it needs by itself, and is then as fast as with weights reordered beforehand.
#pragma once

#include <string>
#include <vector>

#include "backend/backend.h"
#include "cpu/onednn.h"
#include "cpu/plan_cache.h"
#include "cpu/scratch.h"

namespace margincore {

/// A matrix in memory, read as itself or transposed.
struct Operand {
  Tensor matrix;
  bool transposed = false;
};

class Matmul {
 public:
  explicit Matmul(Scratch& scratch) : scratch_(scratch), stream_(onednn::engine()) {}

  /// c = a·b + bias, with bias (columns of c) or none.
  void multiply(Tensor c, Operand a, Operand b, Tensor bias = {}) { run(c, a, b, bias, false); }
  /// c += a·b
  void multiply_add(Tensor c, Operand a, Operand b) { run(c, a, b, {}, true); }

  void append_names(std::vector<std::string>& names) const { plans_.append_names(names); }

 private:
  struct Plan {
    std::string implementation;
    dnnl::matmul primitive;
    dnnl::memory a, b, bias, c, workspace;  // handles are set at each call
    onednn::Operands operands;
    size_t workspace_bytes = 0;
  };

  void run(Tensor c, Operand a, Operand b, Tensor bias, bool adds);

  Scratch& scratch_;
  dnnl::stream stream_;
  PlanCache<Plan> plans_;
};

}  // namespace margincore
