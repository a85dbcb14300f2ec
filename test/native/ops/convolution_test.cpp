#include <doctest/doctest.h>

#include "reference/convolution.h"
#include "support/cases.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/differences.h"
#include "support/random.h"

namespace margincore::test {

namespace {

using reference::ConvolutionSizes;

// batch, height, width, in channels, out channels, kernel height, kernel width, {stride, padding, groups}
const ConvolutionSizes kCases[] = {
    {1, 1, 1, 1, 1, 1, 1, {}},
    {2, 7, 9, 3, 16, 3, 3, {1, 1}},
    {2, 7, 9, 3, 16, 3, 3, {1, 0}},  // the same but for padding and stride: a plan of one is not the other's
    {2, 7, 9, 3, 16, 3, 3, {2, 1}},
    {1, 11, 5, 16, 33, 5, 5, {2, 2}},
    {2, 8, 8, 33, 16, 1, 1, {}},
    {2, 9, 9, 33, 33, 3, 3, {2, 1}},
    {3, 5, 5, 3, 1, 5, 5, {}},
    {1, 10, 10, 1, 3, 1, 1, {3, 0}},   // some pixels reach no output
    {2, 4, 4, 3, 3, 1, 1, {1, 1}},     // some outputs see padding only
    {16, 16, 16, 6, 8, 1, 1, {2, 0}},  // a ResNet's shortcut, of channels that fill no vector
    {2, 16, 16, 6, 8, 1, 1, {2, 0}},
    {4, 20, 20, 12, 20, 1, 1, {2, 0}},
    {4, 20, 20, 12, 20, 1, 1, {1, 0}},
    {2, 6, 10, 3, 5, 1, 3, {}},       // the kernel is not square
    {2, 8, 8, 32, 48, 3, 3, {1, 1}},  // small images of many channels: other layouts
    {3, 7, 5, 16, 16, 3, 3, {1, 1}},
    {3, 6, 6, 16, 16, 3, 3, {1, 2}},  // with more padding than 'same'
    {5, 4, 4, 64, 32, 5, 3, {1, 1}},
    {2, 8, 8, 64, 32, 1, 1, {}},
    {3, 7, 7, 64, 32, 1, 1, {}},
    {2, 28, 28, 1, 32, 5, 5, {}},   // the seed CNN's first
    {2, 12, 12, 32, 64, 3, 3, {}},  // and second
    {127, 5, 5, 1, 17, 3, 3, {1, 1}},
    {128, 6, 6, 3, 16, 3, 3, {2, 1}},
    {2, 6, 6, 16, 32, 3, 3, {1, 1, 4}},   // groups
    {2, 6, 6, 16, 16, 3, 3, {1, 1, 16}},  // of one channel each
    {1, 5, 7, 3, 33, 3, 3, {1, 0, 3}},
    {2, 8, 8, 128, 128, 3, 3, {1, 1, 32}},  // ResNeXt-50 32x4d, first stage
    {2, 8, 8, 256, 256, 3, 3, {2, 1, 32}},  // and second, which halves the image
    {1, 7, 7, 256, 256, 3, 3, {1, 1, 32}},
    {1, 4, 4, 512, 512, 3, 3, {1, 1, 32}},
    {2, 7, 9, 16, 24, 3, 3, {1, 1, 2}},
    {2, 5, 5, 34, 6, 1, 1, {2, 0, 2}},    // groups of an odd number of channels
    {2, 8, 8, 33, 33, 3, 3, {2, 1, 33}},  // depthwise
    {1, 6, 6, 16, 32, 3, 3, {1, 1, 16}},  // two outputs of each channel
};

struct Operands {
  Floats x, w, bias, dy;

  Operands(const ConvolutionSizes& sizes, DType dtype) {
    Random random(static_cast<uint64_t>(sizes.x().count() + sizes.w().count()));
    x = as_stored(random.normals(sizes.x().count()), dtype);
    w = as_stored(random.normals(sizes.w().count()), dtype);
    bias = random.normals(sizes.out_channels);
    dy = as_stored(random.normals(sizes.y().count()), dtype);
  }
};

/// Differences of a convolution need two walks over it per entry: for small ones only.
bool is_small(const ConvolutionSizes& sizes) { return sizes.y().count() * sizes.w().row_count() < 300'000; }

}  // namespace

TEST_CASE("conv2d_forward") {
  for_each_case(kCases, [](Backend& backend, DType dtype, const ConvolutionSizes& sizes) {
    const Operands o(sizes, dtype);
    for (const bool has_bias : {false, true}) {
      CAPTURE(has_bias);
      Device device(backend);
      const Tensor y = device.output(sizes.y(), dtype);
      const Tensor bias = has_bias ? device.input(o.bias, {sizes.out_channels}) : Tensor();
      device.call(backend.conv2d_forward(y, device.input(o.x, sizes.x(), dtype), device.input(o.w, sizes.w(), dtype),
                                         bias, sizes.conv));
      expect_close(
          has_bias ? Op::BiasedForward : Op::Conv2dForward, device.read(y),
          reference::conv2d_forward(sizes, to_doubles(o.x), to_doubles(o.w), has_bias ? to_doubles(o.bias) : Doubles()),
          dtype);
    }
  });
}

TEST_CASE("conv2d_backward: the gradient of x") {
  for_each_case(kCases, [](Backend& backend, DType dtype, const ConvolutionSizes& sizes) {
    const Operands o(sizes, dtype);
    Device device(backend);
    const Tensor dx = device.output(sizes.x(), dtype), sum = device.inout(o.x, sizes.x(), dtype);
    const Tensor stored_dy = device.input(o.dy, sizes.y(), dtype), stored_w = device.input(o.w, sizes.w(), dtype);
    // Whichever comes first makes the plan.
    const auto overwrite = [&] {
      device.call(backend.conv2d_backward(dx, {}, {}, stored_dy, {}, stored_w, sizes.conv, 0));
    };
    const auto add = [&] { device.call(backend.conv2d_backward(sum, {}, {}, stored_dy, {}, stored_w, sizes.conv, 1)); };
    if (sizes.batch % 2 == 0) overwrite();
    add();
    if (sizes.batch % 2 != 0) overwrite();
    const Doubles dy = to_doubles(o.dy), w = to_doubles(o.w), gradient = reference::conv2d_backward_data(sizes, dy, w);
    expect_close(Op::Conv2dBackwardData, device.read(dx), gradient, dtype);
    Doubles expected = to_doubles(o.x);
    for (size_t i = 0; i < expected.size(); ++i) expected[i] += gradient[i];
    expect_close(Op::Conv2dAddedGradient, device.read(sum), expected, dtype);

    if (!is_small(sizes)) return;
    const auto probes = Random(1).indices(o.x.size(), 24);
    const auto loss = [&](const Doubles& x) { return dot(dy, reference::conv2d_forward(sizes, x, w, {})); };
    expect_close(Op::Conv2dBackwardData, pick(device.read(dx), probes),
                 central_differences(to_doubles(o.x), probes, 0.5, loss), dtype);  // linear in x: any step is exact
  });
}

TEST_CASE("conv2d_backward: the gradient of w") {
  for_each_case(kCases, [](Backend& backend, DType dtype, const ConvolutionSizes& sizes) {
    const Operands o(sizes, dtype);
    for (const DType stored : weight_gradient_types(backend, dtype)) {
      for (const bool has_bias : {false, true}) {
        CAPTURE(has_bias);
        CAPTURE(size_of(stored));
        Device device(backend);
        const Tensor dw = device.output(sizes.w(), stored);
        const Tensor dbias = has_bias ? device.output({sizes.out_channels}) : Tensor();
        device.call(backend.conv2d_backward({}, dw, dbias, device.input(o.dy, sizes.y(), dtype),
                                            device.input(o.x, sizes.x(), dtype), {}, sizes.conv, 0));
        const Doubles dy = to_doubles(o.dy), x = to_doubles(o.x);
        expect_close(Op::Conv2dBackwardFilter, device.read(dw), reference::conv2d_backward_filter(sizes, dy, x), dtype);
        if (has_bias) expect_close(Op::BiasGradient, device.read(dbias), reference::conv2d_backward_bias(sizes, dy));

        if (!is_small(sizes) || has_bias) continue;
        const auto probes = Random(2).indices(o.w.size(), 24);
        const auto loss = [&](const Doubles& w) { return dot(dy, reference::conv2d_forward(sizes, x, w, {})); };
        expect_close(Op::Conv2dBackwardFilter, pick(device.read(dw), probes),
                     central_differences(to_doubles(o.w), probes, 0.5, loss), dtype);
      }
    }
  });
}

TEST_CASE("conv2d_backward: both gradients at once") {
  for_each_case(kCases, [](Backend& backend, DType dtype, const ConvolutionSizes& sizes) {
    const Operands o(sizes, dtype);
    Device device(backend);
    const Tensor dx = device.output(sizes.x(), dtype), sum = device.inout(o.x, sizes.x(), dtype);
    const Tensor dw = device.output(sizes.w()), again = device.output(sizes.w());
    const Tensor dbias = device.output({sizes.out_channels});
    const Tensor x = device.input(o.x, sizes.x(), dtype), w = device.input(o.w, sizes.w(), dtype);
    const Tensor dy = device.input(o.dy, sizes.y(), dtype);
    device.call(backend.conv2d_backward(dx, dw, dbias, dy, x, w, sizes.conv, 0));
    device.call(backend.conv2d_backward(sum, again, {}, dy, x, w, sizes.conv, 1));
    const Doubles at_dy = to_doubles(o.dy), filter = reference::conv2d_backward_filter(sizes, at_dy, to_doubles(o.x));
    const Doubles gradient = reference::conv2d_backward_data(sizes, at_dy, to_doubles(o.w));
    expect_close(Op::Conv2dBackwardData, device.read(dx), gradient, dtype);
    for (const Tensor& each : {dw, again}) expect_close(Op::Conv2dBackwardFilter, device.read(each), filter, dtype);
    expect_close(Op::BiasGradient, device.read(dbias), reference::conv2d_backward_bias(sizes, at_dy));
    Doubles added = to_doubles(o.x);
    for (size_t i = 0; i < added.size(); ++i) added[i] += gradient[i];
    expect_close(Op::Conv2dAddedGradient, device.read(sum), added, dtype);
  });
}

}  // namespace margincore::test
