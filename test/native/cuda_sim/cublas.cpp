// The subset of cuBLAS that the CUDA backend calls: matmul of column-major matrices.
#include <cublas_v2.h>

#include <algorithm>
#include <cstring>

#include "matmul.h"
#include "memory.h"
#include "streams.h"

struct cublasContext {
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;  // the caller's, or none
  size_t workspace_bytes = 0;
  cublasMath_t math = CUBLAS_DEFAULT_MATH;
  cublasPointerMode_t pointers = CUBLAS_POINTER_MODE_HOST;
};

namespace margincore::cuda_sim {
namespace {

template <class Body>
cublasStatus_t cublas(const char* function, Body body, On device = On::WorkingDevice) {
  return answer(function, CUBLAS_STATUS_EXECUTION_FAILED, body, device);
}

cublasContext& context_of(cublasHandle_t handle) {
  require_object(CUBLAS_STATUS_NOT_INITIALIZED, handle, "cuBLAS handle");
  return *handle;
}

Element element_of(cudaDataType type) {
  if (type == CUDA_R_32F) return Element::F32;
  if (type != CUDA_R_16BF) refuse(CUBLAS_STATUS_NOT_SUPPORTED, format("type %d is not simulated", type));
  if (settings().capability < 80) refuse(CUBLAS_STATUS_ARCH_MISMATCH, "bfloat16 needs compute capability 8.0");
  return Element::Bf16;
}

/// A matrix of a matmul, rows × columns as stored, column-major.
struct Operand {
  void* data;
  Element element;
  int64_t rows, columns, leading;

  Operand(const char* name, const void* data, cudaDataType type, int64_t rows, int64_t columns, int64_t leading)
      : data(const_cast<void*>(data)), element(element_of(type)), rows(rows), columns(columns), leading(leading) {
    if (rows < 0 || columns < 0) refuse(CUBLAS_STATUS_INVALID_VALUE, "a negative dimension");
    if (leading < std::max<int64_t>(1, rows))
      refuse(CUBLAS_STATUS_INVALID_VALUE, format("the leading dimension of %s is %d, below its %d rows", name,
                                                 static_cast<int>(leading), static_cast<int>(rows)));
    if (rows * columns > 0)
      require_device(CUBLAS_STATUS_INVALID_VALUE, name, data, ((columns - 1) * leading + rows) * size_of(element));
  }

  std::vector<float> load(bool tf32) const {
    std::vector<float> values(rows * columns);
    for (int64_t column = 0; column < columns; ++column)
      for (int64_t row = 0; row < rows; ++row) {
        const float value = read(element, data, column * leading + row);
        values[column * rows + row] = tf32 && element == Element::F32 ? to_tf32(value) : value;
      }
    return values;
  }
};

/// alpha or beta: read now, or where the handle says so, on the device when the matmul runs.
std::function<float()> scalar(const cublasContext& context, const char* name, const void* value) {
  const bool on_device = is_in(Memory::Device, value, 1);
  if (context.pointers == CUBLAS_POINTER_MODE_DEVICE) {
    require_device(CUBLAS_STATUS_INVALID_VALUE, name, value, sizeof(float));
    return [value] { return *static_cast<const float*>(value); };
  }
  if (value == nullptr || on_device) refuse(CUBLAS_STATUS_INVALID_VALUE, format("%s is not in host memory", name));
  return [copied = *static_cast<const float*>(value)] { return copied; };
}

bool allows_tf32(const cublasContext& context, cublasComputeType_t compute) {
  const bool asked = compute == CUBLAS_COMPUTE_32F_FAST_TF32 ||
                     (compute == CUBLAS_COMPUTE_32F && (context.math & 15) == CUBLAS_TF32_TENSOR_OP_MATH);
  return asked && settings().capability >= 80;
}

/// How much of the inner dimension is summed at once. Where a result is narrower than its sum, cuBLAS may add up parts
/// of the sum in the result's type, unless that is forbidden.
int64_t slice_of(const cublasContext& context, const Operand& c, int64_t k) {
  constexpr int64_t kSlice = 256;
  const bool forbidden = (context.math & CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION) != 0;
  return c.element == Element::Bf16 && !forbidden ? kSlice : std::max<int64_t>(k, 1);
}

bool is_transposed(cublasOperation_t operation) {
  if (operation != CUBLAS_OP_N && operation != CUBLAS_OP_T)
    refuse(CUBLAS_STATUS_NOT_SUPPORTED, "only CUBLAS_OP_N and CUBLAS_OP_T are simulated");
  return operation == CUBLAS_OP_T;
}

void gemm(const cublasContext& context, cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k,
          const void* alpha, const void* a_data, cudaDataType a_type, int lda, const void* b_data, cudaDataType b_type,
          int ldb, const void* beta, void* c_data, cudaDataType c_type, int ldc, cublasComputeType_t compute) {
  if (compute != CUBLAS_COMPUTE_32F && compute != CUBLAS_COMPUTE_32F_PEDANTIC &&
      compute != CUBLAS_COMPUTE_32F_FAST_TF32)
    refuse(CUBLAS_STATUS_NOT_SUPPORTED, "only matmuls computed in fp32 or TF32 are simulated");
  if (a_type != b_type || (a_type == CUDA_R_32F && c_type != CUDA_R_32F))
    refuse(CUBLAS_STATUS_NOT_SUPPORTED, "cuBLAS does not multiply this combination of types");
  const bool ta = is_transposed(transa), tb = is_transposed(transb);
  const Operand a("A", a_data, a_type, ta ? k : m, ta ? m : k, lda);
  const Operand b("B", b_data, b_type, tb ? n : k, tb ? k : n, ldb);
  const Operand c("C", c_data, c_type, m, n, ldc);
  const auto read_alpha = scalar(context, "alpha", alpha), read_beta = scalar(context, "beta", beta);
  if (stream_of(context.stream).capture && context.workspace == nullptr)
    refuse_capture(stream_of(context.stream), cudaErrorStreamCaptureUnsupported,
                   "a matmul without a workspace of the caller's (cublasSetStream takes it away) would allocate");
  const bool tf32 = allows_tf32(context, compute);
  const int64_t slice = slice_of(context, c, k);
  const size_t scratch = std::min<size_t>(context.workspace_bytes, 1 << 16);
  enqueue(context.stream,
          {TaskKind::Library, "", 0, false, [=, workspace = context.workspace] {
             if (scratch > 0)
               std::memset(workspace, 0xFF, scratch);  // it is the library's: what others kept there is lost
             const std::vector<float> a_values = a.load(tf32), b_values = b.load(tf32);
             const Matrix left = ta ? Matrix{a_values.data(), a.rows, 1} : Matrix{a_values.data(), 1, a.rows};
             const Matrix right = tb ? Matrix{b_values.data(), b.rows, 1} : Matrix{b_values.data(), 1, b.rows};
             std::vector<double> sums(int64_t{m} * n);
             for (int64_t first = 0; first < k; first += slice) {
               add_matmul(sums.data(), left.columns_from(first), right.rows_from(first), m, n,
                          std::min(slice, k - first));
               if (slice < k)
                 for (double& sum : sums) sum = rounded(c.element, sum);
             }
             const double scale = read_alpha(), keep = read_beta();
             for (int64_t column = 0; column < n; ++column)
               for (int64_t row = 0; row < m; ++row) {
                 const int64_t place = column * c.leading + row;
                 const double old = keep == 0 ? 0 : keep * read(c.element, c.data, place);  // NaN is not kept by 0
                 write(c.element, c.data, place, scale * sums[row * n + column] + old);
               }
           }});
}

}  // namespace
}  // namespace margincore::cuda_sim

using namespace margincore::cuda_sim;
using margincore::format;

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  return cublas(__func__, [&] {
    if (handle == nullptr) refuse(CUBLAS_STATUS_INVALID_VALUE, "the handle is null");
    refuse_while_capturing();
    *handle = new cublasContext;
    add_object(*handle, "cuBLAS handle");
  });
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  return cublas(__func__, [&] { destroy(CUBLAS_STATUS_NOT_INITIALIZED, handle, "cuBLAS handle"); }, On::AnyDevice);
}

cublasStatus_t cublasGetVersion_v2(cublasHandle_t, int* version) {
  return cublas(__func__, [&] {
    if (version == nullptr) refuse(CUBLAS_STATUS_INVALID_VALUE, "the version is null");
    *version = CUBLAS_VERSION;
  });
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  return cublas(__func__, [&] {
    cublasContext& context = context_of(handle);
    stream_of(stream);
    context.stream = stream;
    context.workspace = nullptr;  // as documented: back to the default pool
    context.workspace_bytes = 0;
  });
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, size_t bytes) {
  return cublas(__func__, [&] {
    cublasContext& context = context_of(handle);
    if (reinterpret_cast<uintptr_t>(workspace) % 256 != 0)
      refuse(CUBLAS_STATUS_INVALID_VALUE, "the workspace is not aligned to 256 bytes");
    require_device(CUBLAS_STATUS_INVALID_VALUE, "the workspace", workspace, bytes);
    context.workspace = workspace;
    context.workspace_bytes = bytes;
  });
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  return cublas(__func__, [&] { context_of(handle).math = mode; });
}

cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode) {
  return cublas(__func__, [&] { context_of(handle).pointers = mode; });
}

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n,
                              int k, const float* alpha, const float* a, int lda, const float* b, int ldb,
                              const float* beta, float* c, int ldc) {
  return cublas(__func__, [&] {
    gemm(context_of(handle), transa, transb, m, n, k, alpha, a, CUDA_R_32F, lda, b, CUDA_R_32F, ldb, beta, c,
         CUDA_R_32F, ldc, CUBLAS_COMPUTE_32F);
  });
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n,
                            int k, const void* alpha, const void* a, cudaDataType a_type, int lda, const void* b,
                            cudaDataType b_type, int ldb, const void* beta, void* c, cudaDataType c_type, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t) {
  return cublas(__func__, [&] {
    gemm(context_of(handle), transa, transb, m, n, k, alpha, a, a_type, lda, b, b_type, ldb, beta, c, c_type, ldc,
         compute);
  });
}

const char* cublasGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "success";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "the library was not initialized";
    case CUBLAS_STATUS_ALLOC_FAILED: return "the resource allocation failed";
    case CUBLAS_STATUS_INVALID_VALUE: return "an unsupported value or parameter was passed to the function";
    case CUBLAS_STATUS_ARCH_MISMATCH: return "the function requires an architectural feature absent from the device";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "the function failed to launch on the GPU";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "the functionality requested is not supported";
    default: return "an internal operation failed";
  }
}

}  // extern "C"
