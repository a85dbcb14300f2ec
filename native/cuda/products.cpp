#include "cuda/products.h"

namespace margincore {

namespace {

cudaDataType type_of(const Tensor& tensor) { return tensor.dtype == DType::BF16 ? CUDA_R_16BF : CUDA_R_32F; }

}  // namespace

CudaProducts::CudaProducts(cudaStream_t stream, const BackendOptions& options)
    : stream_(stream),
      compute_(options.precision == Precision::Tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F) {
  MARGINCORE_CHECK(cublasCreate(&handle_));
  MARGINCORE_CHECK(cublasSetStream(handle_, stream));
  MARGINCORE_CHECK(cudaMalloc(&workspace_, kProductWorkspace));
  MARGINCORE_CHECK(cublasSetWorkspace(handle_, workspace_, kProductWorkspace));
}

CudaProducts::~CudaProducts() {
  if (handle_ != nullptr) cublasDestroy(handle_);
  cudaFree(workspace_);
}

void CudaProducts::multiply(Tensor c, Tensor a, bool transpose_a, Tensor b, bool transpose_b) {
  // cuBLAS is column-major and sees every matrix of ours transposed: it computes c^T = b^T a^T.
  const int rows = static_cast<int>(c.shape[0]), columns = static_cast<int>(c.shape[1]);
  const int inner = static_cast<int>(a.shape[transpose_a ? 0 : 1]);
  const float one = 1, zero = 0;
  MARGINCORE_QUEUE(stream_, cublasGemmEx, handle_, transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                   transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, columns, rows, inner, &one, b.data, type_of(b),
                   static_cast<int>(b.shape[1]), a.data, type_of(a), static_cast<int>(a.shape[1]), &zero, c.data,
                   type_of(c), columns, compute_, CUBLAS_GEMM_DEFAULT);
}

}  // namespace margincore
