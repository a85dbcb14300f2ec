#include "cuda/cuda_backend.h"

#include "cuda/guard.h"
#include "cuda/kernels/kernels.h"

namespace margincore {

using cuda::guarded;

void CudaBackend::column_sums_of(Tensor sums, Tensor matrix, Tensor position) {
  const int64_t rows = matrix.shape[0], columns = matrix.shape[1];
  cuda::column_sums(sums.f32(), parts(cuda::sum_partials(rows, columns)), matrix, position.u8(), rows, columns,
                    stream_);
}

Status CudaBackend::conv2d_forward(Tensor y, Tensor x, Tensor w, Tensor bias, Conv2d conv) {
  return guarded("conv2d_forward", [&] {
    convolutions_.forward(y, x, w, conv);
    if (bias) cuda::add_bias(y, bias.f32(), y.count() / bias.count(), bias.count(), stream_);
  });
}

Status CudaBackend::conv2d_backward(Tensor dx, Tensor dw, Tensor dbias, Tensor dy, Tensor x, Tensor w, Conv2d conv,
                                    int32_t adds) {
  return guarded("conv2d_backward", [&] {
    const auto data_and_bias = [&] {
      if (dx) convolutions_.backward_data(dx, dy, w, conv, adds != 0);
      if (dbias) column_sums_of(dbias, {dy.data, dy.dtype, {dy.count() / dbias.count(), dbias.count()}});
    };
    if (!dw) return data_and_bias();
    side_.run_beside([&] { filter_gradients_.backward_filter(dw, dy, x, conv); }, data_and_bias);
  });
}

Status CudaBackend::linear_forward(Tensor y, Tensor x, Tensor w, Tensor bias) {
  return guarded("linear_forward", [&] {
    const Tensor out = y.as_matrix();
    matmul_.multiply(out, x.as_matrix(), false, w, true);
    if (bias) cuda::add_bias(y, bias.f32(), out.shape[0], out.shape[1], stream_);
  });
}

Status CudaBackend::linear_backward_data(Tensor dx, Tensor dy, Tensor w) {
  return guarded("linear_backward_data", [&] { matmul_.multiply(dx.as_matrix(), dy.as_matrix(), false, w, false); });
}

Status CudaBackend::linear_backward_weight(Tensor dw, Tensor dbias, Tensor dy, Tensor x) {
  return guarded("linear_backward_weight", [&] {
    matmul_.multiply(dw, dy.as_matrix(), true, x.as_matrix(), false);
    if (dbias) column_sums_of(dbias, dy.as_matrix());
  });
}

}  // namespace margincore
