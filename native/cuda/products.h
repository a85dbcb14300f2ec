// Matrix products by cuBLAS, on row-major matrices.
#pragma once

#include "backend/backend.h"
#include "cuda/check.h"

namespace margincore {

class CudaProducts {
 public:
  CudaProducts(cudaStream_t stream, const BackendOptions& options);
  CudaProducts(const CudaProducts&) = delete;
  CudaProducts& operator=(const CudaProducts&) = delete;
  ~CudaProducts();

  /// c (M, N) = a·b, each read as itself or transposed.
  void multiply(Tensor c, Tensor a, bool transpose_a, Tensor b, bool transpose_b);

 private:
  cublasHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
};

}  // namespace margincore
