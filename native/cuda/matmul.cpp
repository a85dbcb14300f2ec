#include "cuda/matmul.h"

namespace margincore {

namespace {

cudaDataType type_of(const Tensor& tensor) { return tensor.dtype == DType::BF16 ? CUDA_R_16BF : CUDA_R_32F; }

}  // namespace

CudaMatmul::CudaMatmul(cudaStream_t stream, const BackendOptions& options)
    : stream_(stream),
      // Beside bf16 layers the head's fp32 matmuls may use tensor cores, too.
      compute_(options.precision == Precision::Fp32 ? CUBLAS_COMPUTE_32F : CUBLAS_COMPUTE_32F_FAST_TF32) {
  MARGINCORE_CREATE(cublasCreate(handle_.to_create()));
  MARGINCORE_CHECK(cublasSetStream(handle_, stream));
  MARGINCORE_CHECK(cudaMalloc(workspace_.to_create(), kMatmulWorkspace));
  MARGINCORE_CHECK(cublasSetWorkspace(handle_, workspace_, kMatmulWorkspace));
  // Parts of a long sum may be added in bf16 otherwise, where the result is bf16.
  MARGINCORE_CHECK(cublasSetMathMode(
      handle_, static_cast<cublasMath_t>(CUBLAS_DEFAULT_MATH | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)));
}

void CudaMatmul::multiply(Tensor c, Tensor a, bool transpose_a, Tensor b, bool transpose_b) {
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
