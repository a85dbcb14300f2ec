#include "cuda/cuda_backend.h"

#include "cuda/guard.h"
#include "cuda/kernels/kernels.h"

namespace margincore {

namespace {

cuda::PoolSizes pool_sizes(const Tensor& x, const Tensor& y) {
  const auto size = [](const Tensor& tensor, int axis) { return static_cast<int>(tensor.shape[axis]); };
  return {x.shape[0], size(x, 1), size(x, 2), size(x, 3), size(y, 1), size(y, 2)};
}

}  // namespace

using cuda::guarded;

Status CudaBackend::convert(Tensor y, Tensor x) {
  return guarded("convert", [&] { cuda::convert(y, x, stream_); });
}

Status CudaBackend::relu_forward(Tensor y, Tensor x) {
  return guarded("relu_forward", [&] { cuda::relu_forward(y, x, stream_); });
}

Status CudaBackend::relu_backward(Tensor dx, Tensor dy, Tensor y) {
  return guarded("relu_backward", [&] { cuda::relu_backward(dx, dy, y, stream_); });
}

Status CudaBackend::add(Tensor y, Tensor a, Tensor b) {
  return guarded("add", [&] { cuda::add(y, a, b, stream_); });
}

Status CudaBackend::scale(Tensor x, float factor) {
  return guarded("scale", [&] { cuda::scale(x, factor, stream_); });
}

Status CudaBackend::dropout_forward(Tensor y, Tensor x, Dropout dropout, const StepBlock* step) {
  return guarded("dropout_forward", [&] { cuda::dropout(y, x, dropout, step, stream_); });
}

Status CudaBackend::dropout_backward(Tensor dx, Tensor dy, Dropout dropout, const StepBlock* step) {
  return guarded("dropout_backward", [&] { cuda::dropout(dx, dy, dropout, step, stream_); });
}

Status CudaBackend::batch_norm_stats(Tensor mean, Tensor variance, Tensor unbiased_variance, Tensor x) {
  return guarded("batch_norm_stats", [&] {
    const int64_t channels = mean.count();
    cuda::batch_norm_stats(mean.f32(), variance.f32(), unbiased_variance.f32(),
                           parts(cuda::batch_norm_partials(x, channels)), x, channels, stream_);
  });
}

Status CudaBackend::batch_norm_merge(Tensor mean, Tensor variance, Tensor unbiased_variance, Tensor parts,
                                     int64_t batch, int64_t pixels) {
  return guarded("batch_norm_merge", [&] {
    cuda::batch_norm_merge(mean.f32(), variance.f32(), unbiased_variance.f32(), parts.f32(),
                           static_cast<int32_t>(parts.shape[0]), mean.count(), batch, pixels, stream_);
  });
}

Status CudaBackend::batch_norm_apply(Tensor y, Tensor mask, Tensor x, Tensor mean, Tensor variance, Tensor gamma,
                                     Tensor beta, Tensor residual, BatchNorm norm) {
  return guarded("batch_norm_apply", [&] {
    cuda::batch_norm_apply(y, mask.u8(), x, residual, mean.count(),
                           {mean.f32(), variance.f32(), gamma.f32(), beta.f32(), norm}, stream_);
  });
}

Status CudaBackend::batch_norm_backward(Tensor dx, Tensor dgamma, Tensor dbeta, Tensor dresidual, Tensor dy, Tensor x,
                                        Tensor y, Tensor mean, Tensor variance, Tensor gamma, Tensor beta,
                                        BatchNorm norm) {
  return guarded("batch_norm_backward", [&] {
    const int64_t channels = mean.count();
    cuda::batch_norm_backward(dx, dgamma.f32(), dbeta.f32(), dresidual, parts(cuda::batch_norm_partials(x, channels)),
                              dy, x, y, channels, {mean.f32(), variance.f32(), gamma.f32(), beta.f32(), norm}, stream_);
  });
}

Status CudaBackend::max_pool_forward(Tensor y, Tensor position, Tensor x, Tensor bias, Pool2d pool) {
  return guarded("max_pool_forward",
                 [&] { cuda::max_pool_forward(y, position.u8(), x, bias.f32(), pool_sizes(x, y), pool, stream_); });
}

Status CudaBackend::max_pool_backward(Tensor dx, Tensor dbias, Tensor dy, Tensor position, Pool2d pool) {
  return guarded("max_pool_backward", [&] {
    cuda::max_pool_backward(dx, dy, position.u8(), pool_sizes(dx, dy), pool, stream_);
    if (dbias) column_sums_of(dbias, {dy.data, dy.dtype, {dy.count() / dbias.count(), dbias.count()}}, position);
  });
}

Status CudaBackend::prelu_forward(Tensor y, Tensor x, Tensor slope) {
  return guarded("prelu_forward", [&] { cuda::prelu_forward(y, x, slope, stream_); });
}

Status CudaBackend::prelu_backward(Tensor dx, Tensor dslope, Tensor dy, Tensor x, Tensor slope) {
  return guarded("prelu_backward",
                 [&] { cuda::prelu_backward(dx, dslope, parts(cuda::prelu_partials(x)), dy, x, slope, stream_); });
}

Status CudaBackend::average_pool_forward(Tensor y, Tensor x, Pool2d pool) {
  return guarded("average_pool_forward", [&] { cuda::average_pool_forward(y, x, pool_sizes(x, y), pool, stream_); });
}

Status CudaBackend::average_pool_backward(Tensor dx, Tensor dy, Pool2d pool) {
  return guarded("average_pool_backward",
                 [&] { cuda::average_pool_backward(dx, dy, pool_sizes(dx, dy), pool, stream_); });
}

Status CudaBackend::global_average_pool_forward(Tensor y, Tensor x) {
  return guarded("global_average_pool_forward", [&] { cuda::global_average_forward(y, x, stream_); });
}

Status CudaBackend::global_average_pool_backward(Tensor dx, Tensor dy) {
  return guarded("global_average_pool_backward", [&] { cuda::global_average_backward(dx, dy, stream_); });
}

Status CudaBackend::concat_write(Tensor whole, Tensor part, int64_t first) {
  return guarded("concat_write", [&] { cuda::concat_write(whole, part, first, stream_); });
}

Status CudaBackend::concat_read(Tensor part, Tensor whole, int64_t first) {
  return guarded("concat_read", [&] { cuda::concat_read(part, whole, first, stream_); });
}

}  // namespace margincore
