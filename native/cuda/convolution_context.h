// What both ways of calling cuDNN's convolutions share.
#pragma once

#include <string>

#include "cuda/choice_cache.h"
#include "cuda/convolution_call.h"
#include "cuda/workspace.h"

namespace margincore {

/// No algorithm may take more: what fits in less is nearly as fast.
inline constexpr size_t kMaxConvolutionWorkspace = size_t{256} << 20;

struct ConvolutionContext {
  cudaStream_t stream;
  CudaWorkspace& workspace;
  Owned<cudnnHandle_t, cudnnDestroy> handle;  // outlives the plans
  bool deterministic;
  bool allows_tf32;
  ChoiceCache choices;  // what earlier searches found

  /// All that a choice depends on beside the machine.
  std::string question(const ConvolutionCall& call) const { return to_string(call) + (allows_tf32 ? " tf32" : ""); }

  /// Plans are made outside of recordings: making them allocates and compiles.
  void expect_eager(const char* pass) const {
    cudaStreamCaptureStatus capturing;
    MARGINCORE_CHECK(cudaStreamIsCapturing(stream, &capturing));
    if (capturing == cudaStreamCaptureStatusNone) return;
    throw Error(ErrorCode::Internal,
                std::string("conv2d_") + pass + ": recording needs a plan that no eager step has made");
  }
};

inline cudnnDataType_t cudnn_type_of(DType type) {
  return type == DType::BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

/// Of workspace for so many elements, so that what lies behind them is aligned.
inline size_t aligned_bytes(int64_t elements, DType type) { return (elements * size_of(type) + 255) / 256 * 256; }

}  // namespace margincore
