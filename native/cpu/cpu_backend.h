// The CPU backend: oneDNN for convolutions and matmul, our own loops for everything else.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "backend/backend.h"
#include "cpu/loops.h"
#include "cpu/scratch.h"

namespace margincore {

class Convolutions;  // convolution.h
class Matmul;        // matmul.h

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(const BackendOptions& options);
  ~CpuBackend();

  static BackendInfo describe(int threads);
  const BackendInfo& info() const override { return info_; }
  void destroy() override { delete this; }

  /// Names of the oneDNN implementations chosen so far.
  std::vector<std::string> implementations() const;

#define MARGINCORE_OP override
#include "backend/operations.h"

 private:
  /// run(the loops for activations of this tensor's type), which cannot fail.
  template <class Run>
  Status done_on(const Tensor& activations, const Run& run) const {
    loops_.on(activations, run);
    return Status::success();
  }

  /// With scratch for them.
  MarginSoftmaxRows softmax_rows(const MarginSoftmaxOperands& operands, const MarginSoftmax& head);
  double squares_of(const Gradients& gradients);

  BackendInfo info_{};
  std::unordered_map<void*, size_t> sizes_;  // of what is allocated
  const Loops& loops_;
  Scratch scratch_;
  Scratch summands_;  // of gradients, while convolutions have scratch_
  std::unique_ptr<Matmul> matmul_;
  std::unique_ptr<Convolutions> convolutions_;
};

}  // namespace margincore
