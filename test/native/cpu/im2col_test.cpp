// Convolutions by im2col, for shapes and types for which the backend would not choose them, too.
#include "cpu/im2col.h"

#include <doctest/doctest.h>

#include "cpu/cpu_backend.h"
#include "reference/convolution.h"
#include "support/cases.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/random.h"

namespace margincore::test {

namespace {

using reference::ConvolutionSizes;

// batch, height, width, in channels, out channels, kernel height, kernel width, {stride, padding}
const ConvolutionSizes kCases[] = {
    {1, 1, 1, 1, 1, 1, 1, {}},          {3, 5, 7, 16, 32, 1, 1, {}},  // the images are their own patches
    {2, 9, 9, 16, 32, 1, 1, {2, 0}},  // dy is its own patches, and most of dx is joined to nothing
    {2, 4, 4, 3, 3, 1, 1, {1, 1}},    // some outputs see padding only
    {1, 10, 10, 1, 3, 1, 1, {3, 0}},    {2, 7, 9, 3, 16, 3, 3, {1, 1}},  {2, 7, 9, 3, 16, 3, 3, {1, 0}},
    {2, 8, 8, 32, 33, 3, 3, {2, 1}},    {2, 9, 7, 33, 16, 3, 3, {2, 1}}, {1, 11, 5, 16, 33, 5, 5, {2, 2}},
    {2, 11, 11, 4, 6, 3, 3, {3, 1}},    {2, 11, 11, 4, 6, 2, 2, {3, 0}},  // every third pixel is not seen at all
    {2, 6, 10, 3, 5, 1, 3, {}},         {1, 2, 2, 4, 4, 7, 7, {1, 3}},    // the kernel is larger than the image
    {1, 1, 3, 4, 4, 3, 3, {2, 1}},                                        // of some phases there is no pixel
    {40, 32, 32, 16, 8, 3, 3, {1, 1}},   // patches of 11 MiB in bf16, 23 MiB in fp32: several parts
    {131, 32, 32, 8, 32, 3, 3, {2, 1}},  // and parts that are not alike, of 66 and 65 images
};

template <class Body>
void for_each_convolution(const Body& body) {
  CpuBackend backend({});
  for_each_case(backend, kCases, [&](Backend&, DType dtype, const ConvolutionSizes& sizes) {
    Scratch scratch;
    Matmul matmul(scratch);
    Im2colConvolutions im2col(choose_loops(), matmul);
    Device device(backend);
    Random random(static_cast<uint64_t>(sizes.x().count() + sizes.w().count()));
    body(im2col, device, dtype, sizes, random);
  });
}

}  // namespace

TEST_CASE("im2col: forward") {
  for_each_convolution(
      [](Im2colConvolutions& im2col, Device& device, DType dtype, const ConvolutionSizes& s, Random& random) {
        const Floats x = as_stored(random.normals(s.x().count()), dtype);
        const Floats w = as_stored(random.normals(s.w().count()), dtype), bias = random.normals(s.out_channels);
        for (const bool has_bias : {false, true}) {
          CAPTURE(has_bias);
          const Tensor y = device.output(s.y(), dtype);
          im2col.forward(y, device.input(x, s.x(), dtype), device.input(w, s.w(), dtype),
                         has_bias ? device.input(bias, {s.out_channels}) : Tensor(), s.conv);
          const Doubles expected =
              reference::conv2d_forward(s, to_doubles(x), to_doubles(w), has_bias ? to_doubles(bias) : Doubles());
          expect_close(has_bias ? Op::BiasedForward : Op::Conv2dForward, device.read(y), expected, dtype);
        }
      });
}

TEST_CASE("im2col: the gradient of the images") {
  for_each_convolution(
      [](Im2colConvolutions& im2col, Device& device, DType dtype, const ConvolutionSizes& s, Random& random) {
        const Floats dy = as_stored(random.normals(s.y().count()), dtype);
        const Floats w = as_stored(random.normals(s.w().count()), dtype);
        const Tensor dx = device.output(s.x(), dtype);
        im2col.backward_data(dx, device.input(dy, s.y(), dtype), device.input(w, s.w(), dtype), s.conv);
        expect_close(Op::Conv2dBackwardData, device.read(dx),
                     reference::conv2d_backward_data(s, to_doubles(dy), to_doubles(w)), dtype);
      });
}

TEST_CASE("im2col: the gradient of the weights") {
  for_each_convolution(
      [](Im2colConvolutions& im2col, Device& device, DType dtype, const ConvolutionSizes& s, Random& random) {
        const Floats dy = as_stored(random.normals(s.y().count()), dtype);
        const Floats x = as_stored(random.normals(s.x().count()), dtype);
        for (const bool has_bias : {false, true}) {
          CAPTURE(has_bias);
          const Tensor dw = device.output(s.w()), dbias = has_bias ? device.output({s.out_channels}) : Tensor();
          im2col.backward_filter(dw, dbias, device.input(dy, s.y(), dtype), device.input(x, s.x(), dtype), s.conv);
          expect_close(Op::Conv2dBackwardFilter, device.read(dw),
                       reference::conv2d_backward_filter(s, to_doubles(dy), to_doubles(x)), dtype);
          if (has_bias)
            expect_close(Op::BiasGradient, device.read(dbias), reference::conv2d_backward_bias(s, to_doubles(dy)));
        }
      });
}

}  // namespace margincore::test
