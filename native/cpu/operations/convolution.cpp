#include "cpu/cpu_backend.h"

#include "cpu/convolution.h"
#include "cpu/matmul.h"

namespace margincore {

namespace {

/// What a linear layer sees: one row per sample.
struct Matrices {
  Tensor x, y;
  Matrices(const Tensor& image, const Tensor& output) : x(image.as_matrix()), y(output.as_matrix()) {}
};

}  // namespace

Status CpuBackend::conv2d_forward(Tensor y, Tensor x, Tensor w, Tensor bias, Conv2d conv) {
  return onednn::guarded("conv2d_forward", [&] { convolutions_->forward(y, x, w, bias, conv); });
}

Status CpuBackend::conv2d_backward(Tensor dx, Tensor dw, Tensor dbias, Tensor dy, Tensor x, Tensor w, Conv2d conv,
                                   int32_t adds) {
  return onednn::guarded("conv2d_backward", [&] {
    if (dw) convolutions_->backward_filter(dw, dbias, dy, x, conv);
    if (!dx) return;
    if (!adds) return convolutions_->backward_data(dx, dy, w, conv);
    // oneDNN's convolutions overwrite.
    const Tensor part = {summands_.take(static_cast<size_t>(dx.bytes())), dx.dtype, dx.shape};
    convolutions_->backward_data(part, dy, w, conv);
    check(add(dx, dx, part));
  });
}

Status CpuBackend::linear_forward(Tensor y, Tensor x, Tensor w, Tensor bias) {
  const Matrices m(x, y);
  return onednn::guarded("linear_forward", [&] {
    const bool is_one_fp32_row = m.y.shape[0] == 1 && m.x.dtype == DType::F32 && m.y.dtype == DType::F32;
    if (!is_one_fp32_row) return matmul_->multiply(m.y, {m.x}, {w, true}, bias);
    loops_.matrix_times_vector(m.y.f32(), w.f32(), m.x.f32(), bias ? bias.f32() : nullptr, w.shape[0], w.shape[1]);
  });
}

Status CpuBackend::linear_backward_data(Tensor dx, Tensor dy, Tensor w) {
  const Matrices m(dx, dy);
  return onednn::guarded("linear_backward_data", [&] { matmul_->multiply(m.x, {m.y}, {w}); });
}

Status CpuBackend::linear_backward_weight(Tensor dw, Tensor dbias, Tensor dy, Tensor x) {
  const Matrices m(x, dy);
  return onednn::guarded("linear_backward_weight", [&] {
    if (dbias) {
      loops_.on(m.y, [&](const auto& a) { a.column_sums(dbias.f32(), a.elements(m.y), m.y.shape[0], m.y.shape[1]); });
    }
    matmul_->multiply(dw, {m.y, true}, {m.x});
  });
}

}  // namespace margincore
