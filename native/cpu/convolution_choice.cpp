// Milliseconds of a pass over 64 images by oneDNN 2.6 with AMX, im2col's copying included; * is what the rule takes.
// Kernels are 3x3 but where it says 1x1. bench/NOTES.md tells how this was measured, and where the rule is simpler than
// the table.
//
//   bf16: NHWC / im2col                     forward         gradient of x   gradient of w
//   32x32   64 ->  64                        5.2*/ 10.5      6.0*/ 10.5      8.1*/ 14.3
//   32x32   64 -> 128, stride 2              2.9*/  4.2     11.3*/  6.4     11.4 /  8.6*
//   32x32   64 -> 128, stride 2, 1x1         0.44*/ 0.58     1.9 /  0.98*    3.0 /  1.1*
//   16x16  128 -> 128                        5.4*/  9.3      6.4*/ 10.1     13.1*/ 12.9
//   16x16  128 -> 256, stride 2              5.9*/  4.3     13.0 /  5.7*    19.1 /  4.7*
//    8x8   256 -> 256                        7.8*/  8.4     12.0 / 10.2*    23.5 / 10.4*
//    8x8   256 -> 512, stride 2              9.2 /  4.7*    27.8 /  5.5*    42.7 /  5.3*
//    4x4   512 -> 512                       21.6 / 10.1*    29.1 / 10.4*    50.3 / 10.7*
//
//   fp32: NHWC / blocks / im2col            forward               gradient of x         gradient of w
//   32x32   64 ->  64                       24.0*/ 27.5 / 32.5    25.7*/ 32.0 / 29.8    23.8*/ 33.6 / 46.1
//   16x16  128 -> 128                       21.7*/ 25.5 / 27.6    23.6*/ 27.3 / 27.5    25.1*/ 30.3 / 30.8
//   16x16  128 -> 256, stride 2             11.2*/ 12.9 / 12.4    13.2*/ 14.9 / 15.0    15.5*/ 16.8 / 14.5
//    8x8   256 -> 256                       26.5 / 23.8*/ 31.2    25.4 / 21.5*/ 26.6    24.6 / 22.1*/ 30.2
//    8x8   256 -> 512, stride 2             17.5 / 12.4 / 12.2*   15.2*/ 17.6 / 14.1    22.3 / 20.9 / 14.7*
//    4x4   512 -> 512                       36.9 / 23.0*/ 26.9    24.5 / 22.6*/ 28.7    35.7 / 34.3*/ 32.7
//
// oneDNN reads all weights once per image: it loses the more the fewer pixels an image has, and with AMX, which waits
// for memory first, in most of the backward passes.
#include "cpu/convolution_choice.h"

#include <algorithm>

#include "cpu/onednn.h"

namespace margincore {

namespace {

bool im2col_pays(ConvolutionPass pass, const Tensor& w, const Tensor& y, const Conv2d& conv, bool amx) {
  const int64_t batch = y.shape[0], pixels = y.shape[1] * y.shape[2];
  const int64_t outputs = w.shape[0], inputs = w.shape[3];
  const bool pointwise = w.shape[1] * w.shape[2] == 1, strided = conv.stride > 1;
  if (y.dtype == DType::F32) {
    switch (pass) {
      case ConvolutionPass::Forward: return pixels <= (pointwise ? 49 : strided ? 16 : 0) || batch * pixels <= 64;
      case ConvolutionPass::BackwardData: return pointwise && pixels <= 49;
      case ConvolutionPass::BackwardFilter: return pixels <= (pointwise ? 49 : strided ? 16 : 4);
    }
  }
  if (!amx) return false;
  switch (pass) {
    case ConvolutionPass::Forward: return pixels <= 49 || batch * pixels <= 64;
    case ConvolutionPass::BackwardData: return pixels <= 64 || pointwise || (strided && inputs >= 128);
    case ConvolutionPass::BackwardFilter:
      return pixels <= 64 || pointwise || outputs >= 256 || (strided && inputs >= 64);
  }
  return false;
}

/// oneDNN 2.6 gives wrong gradients there with AVX2 alone: of 6 channels and 8 filters with stride 2, for one.
bool onednn_fails(ConvolutionPass pass, const Tensor& w, const Conv2d& conv, bool avx512) {
  const bool strided_pointwise = w.shape[1] * w.shape[2] == 1 && conv.stride > 1;
  return pass == ConvolutionPass::BackwardFilter && !avx512 && strided_pointwise && w.shape[3] % 8 != 0;
}

/// Whether blocks of sixteen channels gain more than it costs to reorder images into them and back.
bool blocks_pay(const Tensor& x, const Tensor& w, const Tensor& y, const Conv2d& conv, bool avx512) {
  // Elsewhere, and with more padding than 'same', there are reference loops alone for this layout.
  const int64_t kernel = std::min(w.shape[1], w.shape[2]);
  const bool has_loops = avx512 && 2 * conv.padding < kernel;
  const bool has_blocks = x.shape[3] % 16 == 0 && y.shape[3] % 16 == 0;
  const bool is_small = y.shape[1] * y.shape[2] <= 64;
  return x.dtype == DType::F32 && has_loops && has_blocks && is_small && conv.stride == 1 && kernel > 1;
}

}  // namespace

VectorUnits vector_units() { return {onednn::uses(dnnl::cpu_isa::avx512_core), onednn::has_amx()}; }

ConvolutionWay choose_convolution(ConvolutionPass pass, const Tensor& x, const Tensor& w, const Tensor& y,
                                  const Conv2d& conv, const VectorUnits& units) {
  if (conv.groups > 1) return ConvolutionWay::Nhwc;
  if (im2col_pays(pass, w, y, conv, units.amx) || onednn_fails(pass, w, conv, units.avx512))
    return ConvolutionWay::Im2col;
  return blocks_pay(x, w, y, conv, units.avx512) ? ConvolutionWay::Blocks : ConvolutionWay::Nhwc;
}

}  // namespace margincore
