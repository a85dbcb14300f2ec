// Matmul by cuBLAS, on row-major matrices.
#pragma once

#include "backend/backend.h"
#include "cuda/owned.h"

namespace margincore {

/// Fixed beforehand, so that matmuls can be recorded and give the same bits each time. NVIDIA's advice for Hopper.
inline constexpr size_t kMatmulWorkspace = size_t{32} << 20;

class CudaMatmul {
 public:
  CudaMatmul(cudaStream_t stream, const BackendOptions& options);

  /// c (M, N) = a·b, each read as itself or transposed; a and b of one type, sums in fp32.
  void multiply(Tensor c, Tensor a, bool transpose_a, Tensor b, bool transpose_b);

 private:
  cudaStream_t stream_;
  cublasComputeType_t compute_;
  DeviceMemory workspace_;  // outlives the handle
  Owned<cublasHandle_t, cublasDestroy> handle_;
};

}  // namespace margincore
