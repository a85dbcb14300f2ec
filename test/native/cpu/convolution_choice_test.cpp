// The rule takes what the measured table says, and nothing that the processor has no instructions for.
#include "cpu/convolution_choice.h"

#include <doctest/doctest.h>

#include "reference/convolution.h"

namespace margincore::test {

namespace {

using reference::ConvolutionSizes;
using enum ConvolutionWay;

struct Row {
  ConvolutionSizes sizes;
  ConvolutionWay forward, backward_data, backward_filter;
};

/// Of the tables in bench/NOTES.md: side, channels, filters, kernel, stride.
ConvolutionSizes convolution(int64_t side, int64_t channels, int64_t filters, int64_t kernel = 3, int32_t stride = 1) {
  return {64, side, side, channels, filters, kernel, kernel, {stride, static_cast<int32_t>(kernel / 2)}};
}

const Row kBf16[] = {
    {convolution(32, 64, 64), Nhwc, Nhwc, Nhwc},
    {convolution(32, 64, 128, 3, 2), Nhwc, Nhwc, Im2col},
    {convolution(32, 64, 128, 1, 2), Nhwc, Im2col, Im2col},
    {convolution(16, 128, 128), Nhwc, Nhwc, Nhwc},
    {convolution(16, 128, 256, 3, 2), Nhwc, Im2col, Im2col},
    {convolution(8, 256, 256), Nhwc, Im2col, Im2col},
    {convolution(8, 256, 512, 3, 2), Im2col, Im2col, Im2col},
    {convolution(4, 512, 512), Im2col, Im2col, Im2col},
};

const Row kFp32[] = {
    {convolution(32, 64, 64), Nhwc, Nhwc, Nhwc},
    {convolution(16, 128, 128), Nhwc, Nhwc, Nhwc},
    {convolution(16, 128, 256, 3, 2), Nhwc, Nhwc, Nhwc},
    {convolution(8, 256, 256), Blocks, Blocks, Blocks},
    {convolution(8, 256, 512, 3, 2), Im2col, Nhwc, Im2col},
    {convolution(4, 512, 512), Blocks, Blocks, Blocks},
};

ConvolutionWay chosen(ConvolutionPass pass, const ConvolutionSizes& s, DType dtype, const VectorUnits& units) {
  return choose_convolution(pass, {nullptr, dtype, s.x()}, {nullptr, dtype, s.w()}, {nullptr, dtype, s.y()}, s.conv,
                            units);
}

constexpr ConvolutionPass kPasses[] = {ConvolutionPass::Forward, ConvolutionPass::BackwardData,
                                       ConvolutionPass::BackwardFilter};

}  // namespace

TEST_CASE("convolutions go the way that the measured table marks") {
  const VectorUnits all{true, true};
  const auto expect = [&](const Row& row, DType dtype) {
    CAPTURE(size_of(dtype));
    CAPTURE(to_string(row.sizes));
    CHECK(chosen(ConvolutionPass::Forward, row.sizes, dtype, all) == row.forward);
    CHECK(chosen(ConvolutionPass::BackwardData, row.sizes, dtype, all) == row.backward_data);
    CHECK(chosen(ConvolutionPass::BackwardFilter, row.sizes, dtype, all) == row.backward_filter);
  };
  for (const Row& row : kBf16) expect(row, DType::BF16);
  for (const Row& row : kFp32) expect(row, DType::F32);
}

TEST_CASE("convolutions of few places in all, and pointwise ones of small images, go by im2col in fp32, too") {
  const VectorUnits all{true, true};
  ConvolutionSizes one = convolution(8, 64, 64);
  one.batch = 1;
  CHECK(chosen(ConvolutionPass::Forward, one, DType::F32, all) == Im2col);
  for (const ConvolutionPass pass : kPasses) {
    CHECK(chosen(pass, convolution(7, 64, 64, 1), DType::F32, all) == Im2col);
    CHECK(chosen(pass, convolution(8, 64, 64, 1), DType::F32, all) == Nhwc);
  }
  CHECK(chosen(ConvolutionPass::BackwardFilter, convolution(2, 64, 64), DType::F32, all) == Im2col);
}

TEST_CASE(
    "without AMX bf16 stays with oneDNN's convolutions, without AVX-512 there are no blocks, and groups need NHWC") {
  for (const ConvolutionPass pass : kPasses) {
    CHECK(chosen(pass, convolution(4, 512, 512), DType::BF16, {true, false}) == Nhwc);
    CHECK(chosen(pass, convolution(8, 256, 256), DType::F32, {false, false}) == Nhwc);
    for (const DType dtype : {DType::F32, DType::BF16}) {
      ConvolutionSizes grouped = convolution(4, 512, 512);
      grouped.conv.groups = 32;
      CHECK(chosen(pass, grouped, dtype, {true, true}) == Nhwc);
    }
  }
}

TEST_CASE("blocks need multiples of sixteen channels, 'same' padding at most, no stride and a kernel") {
  const VectorUnits all{true, true};
  const auto way = [&](ConvolutionSizes sizes, int32_t padding) {
    sizes.conv.padding = padding;
    return chosen(ConvolutionPass::BackwardData, sizes, DType::F32, all);
  };
  CHECK(way(convolution(8, 32, 48), 1) == Blocks);
  CHECK(way(convolution(8, 33, 48), 1) == Nhwc);
  CHECK(way(convolution(8, 32, 47), 1) == Nhwc);
  CHECK(way(convolution(6, 32, 48), 2) == Nhwc);
  CHECK(way(convolution(8, 32, 48, 3, 2), 1) == Nhwc);
  CHECK(way(convolution(9, 32, 48), 1) == Nhwc);  // 81 pixels
}

}  // namespace margincore::test
