// Matmuls against double loops, and each refusal.
#include <cublas_v2.h>

#include <cmath>
#include <cstring>
#include <random>

#include "support.h"

namespace margincore::cuda_sim {
namespace {

struct Blas : Device {
  Blas() {
    REQUIRE(cublasCreate(&handle) == CUBLAS_STATUS_SUCCESS);
    REQUIRE(cublasSetStream(handle, stream) == CUBLAS_STATUS_SUCCESS);
  }
  ~Blas() { cublasDestroy(handle); }
  cublasHandle_t handle = nullptr;
};

template <class T>
std::vector<T> random_values(size_t count) {
  static std::mt19937 engine(1);
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(std::normal_distribution<float>()(engine));
  return values;
}

template <class T>
cudaDataType type_of() {
  return sizeof(T) == 4 ? CUDA_R_32F : CUDA_R_16BF;
}

/// alpha op(A) op(B) + beta C in double, and how far the result is from it, relative to its largest entry.
template <class In, class Out>
double matmul_error(Blas& blas, bool ta, bool tb, int m, int n, int k, float alpha, float beta, int padding,
                    cublasComputeType_t compute = CUBLAS_COMPUTE_32F) {
  const int lda = (ta ? k : m) + padding, ldb = (tb ? n : k) + padding, ldc = m + padding;
  const DeviceArray<In> a(random_values<In>(lda * (ta ? m : k))), b(random_values<In>(ldb * (tb ? k : n)));
  const DeviceArray<Out> c(random_values<Out>(ldc * n));
  if (beta == 0) c[0] = static_cast<Out>(NAN);  // must not be read
  const std::vector<Out> before = c.values();
  REQUIRE(cublasGemmEx(blas.handle, ta ? CUBLAS_OP_T : CUBLAS_OP_N, tb ? CUBLAS_OP_T : CUBLAS_OP_N, m, n, k, &alpha,
                       a.data(), type_of<In>(), lda, b.data(), type_of<In>(), ldb, &beta, c.data(), type_of<Out>(), ldc,
                       compute, CUBLAS_GEMM_DEFAULT) == CUBLAS_STATUS_SUCCESS);
  CHECK(std::memcmp(before.data(), c.data(), c.bytes()) == 0);  // queued
  CHECK(blas.synchronize() == cudaSuccess);
  double worst = 0, largest = 0;
  for (int column = 0; column < n; ++column)
    for (int row = 0; row < ldc; ++row) {
      const size_t place = size_t(column) * ldc + row;
      double expected = static_cast<float>(before[place]);
      if (row < m) {
        expected = beta == 0 ? 0 : beta * expected;
        for (int i = 0; i < k; ++i)
          expected += double(alpha) * static_cast<float>(ta ? a[row * lda + i] : a[i * lda + row]) *
                      static_cast<float>(tb ? b[i * ldb + column] : b[column * ldb + i]);
      }
      worst = std::max(worst, std::abs(expected - static_cast<float>(c[place])));
      largest = std::max(largest, std::abs(expected));
    }
  return worst / largest;
}

}  // namespace

TEST_CASE("matmuls are right: transposed or not, odd sizes, padded, alpha and beta") {
  Blas blas;
  for (const bool ta : {false, true})
    for (const bool tb : {false, true})
      for (const auto& [m, n, k] : {std::tuple{1, 1, 1}, {4, 8, 16}, {7, 13, 31}, {33, 5, 100}}) {
        CAPTURE(m);
        CHECK(matmul_error<float, float>(blas, ta, tb, m, n, k, 1, 0, 0) < 1e-7);
        CHECK(matmul_error<float, float>(blas, ta, tb, m, n, k, -0.5f, 2, 3) < 1e-7);
        CHECK(matmul_error<Bf16, float>(blas, ta, tb, m, n, k, 1, 1, 0) < 1e-7);
        CHECK(matmul_error<Bf16, Bf16>(blas, ta, tb, m, n, k, 1, 0, 1) < 4e-3);
      }
  CHECK(statistics().calls.at("cublasGemmEx") == 64);
}

TEST_CASE("TF32 rounds to 11 bits, where it is asked for and the device has it") {
  Blas blas;
  const auto error = [&](cublasComputeType_t compute = CUBLAS_COMPUTE_32F) {
    return matmul_error<float, float>(blas, false, false, 16, 16, 64, 1, 0, 0, compute);
  };
  CHECK(error() < 1e-7);
  CHECK(error(CUBLAS_COMPUTE_32F_FAST_TF32) > 1e-5);
  cublasSetMathMode(blas.handle, CUBLAS_TF32_TENSOR_OP_MATH);
  CHECK(error() > 1e-5);
  CHECK(error(CUBLAS_COMPUTE_32F_PEDANTIC) < 1e-7);
  settings().capability = 75;
  CHECK(error() < 1e-7);
}

TEST_CASE("long sums that become bf16 are added up in bf16, unless that is forbidden") {
  Blas blas;
  const auto error = [&] { return matmul_error<Bf16, Bf16>(blas, false, false, 4, 4, 2000, 1, 0, 0); };
  CHECK(error() > 4e-3);
  const int forbidden = CUBLAS_DEFAULT_MATH | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
  cublasSetMathMode(blas.handle, static_cast<cublasMath_t>(forbidden));
  CHECK(error() < 4e-3);
  CHECK(matmul_error<Bf16, float>(blas, false, false, 4, 4, 2000, 1, 0, 0) < 1e-7);
}

TEST_CASE("matmuls refuse short leading dimensions, foreign memory and what is not simulated") {
  Blas blas;
  const DeviceArray<float> a(12), b(20), c(15);
  const float one = 1, zero = 0;
  const auto multiply = [&](const float* a_data, int lda, int ldb, float* c_data, int ldc, const float* alpha) {
    return cublasSgemm(blas.handle, CUBLAS_OP_N, CUBLAS_OP_N, 3, 5, 4, alpha, a_data, lda, b.data(), ldb, &zero, c_data,
                       ldc);
  };
  CHECK(multiply(a.data(), 3, 4, c.data(), 3, &one) == CUBLAS_STATUS_SUCCESS);
  CHECK(multiply(a.data(), 2, 4, c.data(), 3, &one) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(said("leading dimension of A is 2"));
  CHECK(multiply(a.data(), 3, 3, c.data(), 3, &one) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(multiply(a.data(), 3, 4, c.data(), 4, &one) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(said("C ("));
  CHECK(said("ends before 76 bytes"));
  CHECK(multiply(a.data() + 1, 3, 4, c.data(), 3, &one) == CUBLAS_STATUS_INVALID_VALUE);
  const std::vector<float> on_host(12);
  CHECK(multiply(on_host.data(), 3, 4, c.data(), 3, &one) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(said("is not in device memory"));
  CHECK(multiply(a.data(), 3, 4, c.data(), 3, a.data()) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(said("alpha is not in host memory"));
  CHECK(cublasSgemm(nullptr, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a.data(), 1, b.data(), 1, &zero, c.data(), 1) ==
        CUBLAS_STATUS_NOT_INITIALIZED);
  const auto bf16 = [&] {
    return cublasGemmEx(blas.handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a.data(), CUDA_R_16BF, 1, b.data(),
                        CUDA_R_16BF, 1, &zero, c.data(), CUDA_R_32F, 1, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
  };
  CHECK(bf16() == CUBLAS_STATUS_SUCCESS);
  settings().capability = 75;
  CHECK(bf16() == CUBLAS_STATUS_ARCH_MISMATCH);
}

TEST_CASE("factors on the device are read when the matmul runs") {
  Blas blas;
  const DeviceArray<float> a(std::vector<float>{3}), b(std::vector<float>{5}), c(1), factors(std::vector<float>{1, 0});
  const float one = 1;
  const auto multiply = [&](const float* alpha) {
    return cublasSgemm(blas.handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, alpha, a.data(), 1, b.data(), 1,
                       factors.data() + 1, c.data(), 1);
  };
  cublasSetPointerMode(blas.handle, CUBLAS_POINTER_MODE_DEVICE);
  CHECK(multiply(&one) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(multiply(factors.data()) == CUBLAS_STATUS_SUCCESS);
  factors[0] = 2;
  CHECK(blas.synchronize() == cudaSuccess);
  CHECK(c[0] == 30);
}

TEST_CASE("the workspace is the library's, and a capture needs one") {
  Blas blas;
  const DeviceArray<float> a(1), b(1), c(1);
  const DeviceArray<int> workspace(std::vector<int>(256, 7));
  const float one = 1, zero = 0;
  const auto multiply = [&] {
    return cublasSgemm(blas.handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a.data(), 1, b.data(), 1, &zero, c.data(),
                       1);
  };
  const auto captured = [&] {
    cudaStreamBeginCapture(blas.stream, cudaStreamCaptureModeThreadLocal);
    const cublasStatus_t status = multiply();
    CHECK(said("without a workspace") == (status != CUBLAS_STATUS_SUCCESS));
    cudaGraph_t graph = nullptr;
    cudaStreamEndCapture(blas.stream, &graph);
    if (graph != nullptr) cudaGraphDestroy(graph);
    return status;
  };
  CHECK(captured() == CUBLAS_STATUS_EXECUTION_FAILED);
  CHECK(cublasSetWorkspace(blas.handle, workspace.data() + 1, 64) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(cublasSetWorkspace(blas.handle, workspace.data(), 1025) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(cublasSetWorkspace(blas.handle, workspace.data(), 1024) == CUBLAS_STATUS_SUCCESS);
  CHECK(captured() == CUBLAS_STATUS_SUCCESS);
  CHECK(multiply() == CUBLAS_STATUS_SUCCESS);
  CHECK(blas.synchronize() == cudaSuccess);
  CHECK(workspace[0] == -1);
  cublasSetStream(blas.handle, blas.stream);  // takes the workspace away
  CHECK(captured() == CUBLAS_STATUS_EXECUTION_FAILED);
}

}  // namespace margincore::cuda_sim
