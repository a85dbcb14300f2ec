#include <algorithm>

#include "base/batch_norm.h"
#include "cpu/cpu_backend.h"
#include "cpu/onednn.h"

namespace margincore {

namespace {

PoolSizes pool_sizes(const Tensor& x, const Tensor& y) {
  return {x.shape[0], x.shape[1], x.shape[2], x.shape[3], y.shape[1], y.shape[2]};
}

/// Where the channels from `first` on of an image's first pixel lie.
uint8_t* channels_from(const Tensor& image, int64_t first) { return image.u8() + first * size_of(image.dtype); }

int64_t channels_of(const Tensor& image) { return image.shape[image.shape.rank - 1]; }

}  // namespace

Status CpuBackend::convert(Tensor y, Tensor x) {
  if (y.dtype == DType::BF16) loops_.narrow(y.bf16(), x.f32(), x.count());
  else loops_.widen(y.f32(), x.bf16(), x.count());
  return Status::success();
}

Status CpuBackend::relu_forward(Tensor y, Tensor x) {
  return done_on(x, [&](const auto& a) { a.relu_forward(a.elements(y), a.elements(x), x.count()); });
}

Status CpuBackend::relu_backward(Tensor dx, Tensor dy, Tensor y) {
  return done_on(y, [&](const auto& a) { a.relu_backward(a.elements(dx), a.elements(dy), a.elements(y), y.count()); });
}

Status CpuBackend::scale(Tensor x, float factor) {
  std::for_each_n(x.f32(), x.count(), [factor](float& value) { value *= factor; });
  return Status::success();
}

Status CpuBackend::add(Tensor y, Tensor a, Tensor b) {
  return done_on(
      y, [&](const auto& loops) { loops.add(loops.elements(y), loops.elements(a), loops.elements(b), y.count()); });
}

Status CpuBackend::dropout_forward(Tensor y, Tensor x, Dropout dropout, const StepBlock* step) {
  return done_on(x, [&](const auto& a) { a.dropout(a.elements(y), a.elements(x), x.count(), dropout, step); });
}

Status CpuBackend::dropout_backward(Tensor dx, Tensor dy, Dropout dropout, const StepBlock* step) {
  return dropout_forward(dx, dy, dropout, step);
}

Status CpuBackend::batch_norm_stats(Tensor mean, Tensor variance, Tensor unbiased_variance, Tensor x) {
  return onednn::guarded("batch_norm_stats", [&] {
    const int64_t channels = mean.count(), rows = x.count() / channels;
    void* scratch = scratch_.take(loops_.batch_norm_scratch(rows, channels));
    loops_.on(x, [&](const auto& a) {
      a.batch_norm_stats(mean.f32(), variance.f32(), unbiased_variance.f32(), a.elements(x), rows, channels, scratch);
    });
  });
}

Status CpuBackend::batch_norm_merge(Tensor mean, Tensor variance, Tensor unbiased_variance, Tensor parts, int64_t batch,
                                    int64_t pixels) {
  const int64_t channels = mean.count();
  for (int64_t j = 0; j < channels; ++j) {
    const BatchMoments merged =
        merge_moments(parts.f32() + j, static_cast<int32_t>(parts.shape[0]), channels, batch, pixels);
    mean.f32()[j] = merged.mean;
    variance.f32()[j] = merged.variance;
    unbiased_variance.f32()[j] = merged.unbiased_variance;
  }
  return Status::success();
}

Status CpuBackend::batch_norm_apply(Tensor y, Tensor mask, Tensor x, Tensor mean, Tensor variance, Tensor gamma,
                                    Tensor beta, Tensor residual, BatchNorm norm) {
  return onednn::guarded("batch_norm_apply", [&] {
    if (mask) throw Error(ErrorCode::Unsupported, "the CPU has no masks of ReLUs");
    const int64_t channels = mean.count(), rows = x.count() / channels;
    const BatchNormParameters parameters{mean.f32(), variance.f32(), gamma.f32(), beta.f32(), norm};
    void* scratch = scratch_.take(loops_.batch_norm_scratch(rows, channels));
    loops_.on(x, [&](const auto& a) {
      a.batch_norm_apply(a.elements(y), a.elements(x), a.elements(residual), rows, channels, parameters, scratch);
    });
  });
}

Status CpuBackend::batch_norm_backward(Tensor dx, Tensor dgamma, Tensor dbeta, Tensor dresidual, Tensor dy, Tensor x,
                                       Tensor y, Tensor mean, Tensor variance, Tensor gamma, Tensor beta,
                                       BatchNorm norm) {
  return onednn::guarded("batch_norm_backward", [&] {
    const int64_t channels = mean.count(), rows = x.count() / channels;
    const BatchNormParameters parameters{mean.f32(), variance.f32(), gamma.f32(), beta.f32(), norm};
    void* scratch = scratch_.take(loops_.batch_norm_scratch(rows, channels));
    loops_.on(x, [&](const auto& a) {
      a.batch_norm_backward({a.elements(dx), dgamma.f32(), dbeta.f32(), a.elements(dresidual)}, a.elements(dy),
                            a.elements(x), a.elements(y), rows, channels, parameters, scratch);
    });
  });
}

Status CpuBackend::max_pool_forward(Tensor y, Tensor position, Tensor x, Tensor bias, Pool2d pool) {
  return done_on(x, [&](const auto& a) {
    a.max_pool_forward(a.elements(y), position.u8(), a.elements(x), bias.f32(), pool_sizes(x, y), pool);
  });
}

Status CpuBackend::max_pool_backward(Tensor dx, Tensor dbias, Tensor dy, Tensor position, Pool2d pool) {
  return done_on(dy, [&](const auto& a) {
    if (dbias)
      a.max_pool_bias_backward(dbias.f32(), a.elements(dy), position.u8(), dy.count() / dbias.count(), dbias.count());
    a.max_pool_backward(a.elements(dx), a.elements(dy), position.u8(), pool_sizes(dx, dy), pool);
  });
}

Status CpuBackend::prelu_forward(Tensor y, Tensor x, Tensor slope) {
  const int64_t channels = slope.count();
  return done_on(x, [&](const auto& a) {
    a.prelu_forward(a.elements(y), a.elements(x), slope.f32(), x.count() / channels, channels);
  });
}

Status CpuBackend::prelu_backward(Tensor dx, Tensor dslope, Tensor dy, Tensor x, Tensor slope) {
  return onednn::guarded("prelu_backward", [&] {
    const int64_t channels = slope.count(), rows = x.count() / channels;
    auto* sums = static_cast<float*>(scratch_.take(prelu_chunks(rows, channels) * channels * sizeof(float)));
    loops_.on(x, [&](const auto& a) {
      a.prelu_backward(a.elements(dx), dslope.f32(), sums, a.elements(dy), a.elements(x), slope.f32(), rows, channels);
    });
  });
}

Status CpuBackend::average_pool_forward(Tensor y, Tensor x, Pool2d pool) {
  return done_on(x,
                 [&](const auto& a) { a.average_pool_forward(a.elements(y), a.elements(x), pool_sizes(x, y), pool); });
}

Status CpuBackend::average_pool_backward(Tensor dx, Tensor dy, Pool2d pool) {
  return done_on(
      dy, [&](const auto& a) { a.average_pool_backward(a.elements(dx), a.elements(dy), pool_sizes(dx, dy), pool); });
}

Status CpuBackend::global_average_pool_forward(Tensor y, Tensor x) {
  return done_on(x, [&](const auto& a) {
    a.global_average_forward(a.elements(y), a.elements(x), x.shape[0], x.shape[1] * x.shape[2], x.shape[3]);
  });
}

Status CpuBackend::global_average_pool_backward(Tensor dx, Tensor dy) {
  return done_on(dy, [&](const auto& a) {
    a.global_average_backward(a.elements(dx), a.elements(dy), dx.shape[0], dx.shape[1] * dx.shape[2], dx.shape[3]);
  });
}

Status CpuBackend::concat_write(Tensor whole, Tensor part, int64_t first) {
  const int64_t bytes = channels_of(part) * size_of(part.dtype);
  loops_.copy_channels(channels_from(whole, first), channels_from(part, 0), part.count() / channels_of(part),
                       channels_of(whole) * size_of(whole.dtype), bytes, bytes);
  return Status::success();
}

Status CpuBackend::concat_read(Tensor part, Tensor whole, int64_t first) {
  const int64_t bytes = channels_of(part) * size_of(part.dtype);
  loops_.copy_channels(channels_from(part, 0), channels_from(whole, first), part.count() / channels_of(part), bytes,
                       channels_of(whole) * size_of(whole.dtype), bytes);
  return Status::success();
}

}  // namespace margincore
