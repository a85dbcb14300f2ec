// Convolutions against double loops, and each refusal.
#include <cudnn.h>

#include <cmath>
#include <random>

#include "convolution.h"
#include "support.h"

namespace margincore::cuda_sim {
namespace {

/// One convolution with its descriptors and operands.
template <class T>
struct Case : Device {
  explicit Case(const Convolution& shape)
      : shape(shape), x(values(shape.x_count())), w(values(shape.w_count())), y(values(shape.y_count())) {
    REQUIRE(cudnnCreate(&handle) == CUDNN_STATUS_SUCCESS);
    REQUIRE(cudnnSetStream(handle, stream) == CUDNN_STATUS_SUCCESS);
    for (auto* tensor : {&x_descriptor, &y_descriptor}) cudnnCreateTensorDescriptor(tensor);
    cudnnCreateFilterDescriptor(&w_descriptor);
    cudnnCreateConvolutionDescriptor(&convolution);
    const auto set = [](cudnnTensorDescriptor_t tensor, int64_t n, int64_t c, int64_t h, int64_t w) {
      REQUIRE(cudnnSetTensor4dDescriptor(tensor, CUDNN_TENSOR_NHWC, kType, n, c, h, w) == CUDNN_STATUS_SUCCESS);
    };
    set(x_descriptor, shape.images, shape.channels, shape.height, shape.width);
    set(y_descriptor, shape.images, shape.filters, shape.out_height, shape.out_width);
    REQUIRE(cudnnSetFilter4dDescriptor(w_descriptor, kType, CUDNN_TENSOR_NHWC, shape.filters,
                                       shape.channels / shape.groups, shape.filter_height,
                                       shape.filter_width) == CUDNN_STATUS_SUCCESS);
    REQUIRE(cudnnSetConvolution2dDescriptor(convolution, shape.padding_height, shape.padding_width, shape.stride_height,
                                            shape.stride_width, shape.dilation_height, shape.dilation_width,
                                            CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT) == CUDNN_STATUS_SUCCESS);
    REQUIRE(cudnnSetConvolutionGroupCount(convolution, shape.groups) == CUDNN_STATUS_SUCCESS);
    REQUIRE(cudnnSetConvolutionMathType(convolution, CUDNN_FMA_MATH) == CUDNN_STATUS_SUCCESS);
  }
  ~Case() {
    for (auto* tensor : {x_descriptor, y_descriptor}) cudnnDestroyTensorDescriptor(tensor);
    cudnnDestroyFilterDescriptor(w_descriptor);
    cudnnDestroyConvolutionDescriptor(convolution);
    cudnnDestroy(handle);
  }

  static std::vector<T> values(int64_t count) {
    static std::mt19937 engine(1);
    std::vector<T> values(count);
    for (T& value : values) value = static_cast<T>(std::normal_distribution<float>()(engine));
    return values;
  }

  cudnnStatus_t forward(cudnnConvolutionFwdAlgo_t algorithm = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM) {
    size_t bytes = 0;
    const cudnnStatus_t status = cudnnGetConvolutionForwardWorkspaceSize(handle, x_descriptor, w_descriptor,
                                                                         convolution, y_descriptor, algorithm, &bytes);
    if (status != CUDNN_STATUS_SUCCESS) return status;
    const DeviceArray<char> workspace(bytes);
    return cudnnConvolutionForward(handle, &alpha, x_descriptor, x.data(), w_descriptor, w.data(), convolution,
                                   algorithm, workspace.data(), bytes, &beta, y_descriptor, y.data());
  }
  cudnnStatus_t backward_data(cudnnConvolutionBwdDataAlgo_t algorithm = CUDNN_CONVOLUTION_BWD_DATA_ALGO_1) {
    size_t bytes = 0;
    CHECK(cudnnGetConvolutionBackwardDataWorkspaceSize(handle, w_descriptor, y_descriptor, convolution, x_descriptor,
                                                       algorithm, &bytes) == CUDNN_STATUS_SUCCESS);
    const DeviceArray<char> workspace(bytes);
    return cudnnConvolutionBackwardData(handle, &alpha, w_descriptor, w.data(), y_descriptor, y.data(), convolution,
                                        algorithm, workspace.data(), bytes, &beta, x_descriptor, x.data());
  }
  cudnnStatus_t backward_filter(cudnnConvolutionBwdFilterAlgo_t algorithm = CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1) {
    size_t bytes = 0;
    CHECK(cudnnGetConvolutionBackwardFilterWorkspaceSize(handle, x_descriptor, y_descriptor, convolution, w_descriptor,
                                                         algorithm, &bytes) == CUDNN_STATUS_SUCCESS);
    const DeviceArray<char> workspace(bytes);
    return cudnnConvolutionBackwardFilter(handle, &alpha, x_descriptor, x.data(), y_descriptor, y.data(), convolution,
                                          algorithm, workspace.data(), bytes, &beta, w_descriptor, w.data());
  }

  static constexpr cudnnDataType_t kType = sizeof(T) == 4 ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16;
  Convolution shape;
  float alpha = 1, beta = 0;
  DeviceArray<T> x, w, y;
  cudnnHandle_t handle = nullptr;
  cudnnTensorDescriptor_t x_descriptor = nullptr, y_descriptor = nullptr;
  cudnnFilterDescriptor_t w_descriptor = nullptr;
  cudnnConvolutionDescriptor_t convolution = nullptr;
};

Convolution convolution_of(int64_t images, int64_t size, int64_t channels, int64_t filters, int64_t filter,
                           int64_t padding, int64_t stride, int64_t dilation, int64_t groups) {
  const auto out = [&](int64_t in) { return (in + 2 * padding - (filter - 1) * dilation - 1) / stride + 1; };
  return {images, size,    size + 1, channels, out(size), out(size + 1), filters,  filter,
          filter, padding, padding,  stride,   stride,    dilation,      dilation, groups};
}

/// Calls action(x, w, y) with the places of every product that a convolution is the sum of.
template <class Action>
void each_product(const Convolution& c, Action action) {
  const int64_t channels = c.channels / c.groups, filters = c.filters / c.groups;
  for (int64_t n = 0; n < c.images; ++n)
    for (int64_t p = 0; p < c.out_height; ++p)
      for (int64_t q = 0; q < c.out_width; ++q)
        for (int64_t k = 0; k < c.filters; ++k)
          for (int64_t r = 0; r < c.filter_height; ++r)
            for (int64_t s = 0; s < c.filter_width; ++s)
              for (int64_t i = 0; i < channels; ++i) {
                const int64_t h = p * c.stride_height - c.padding_height + r * c.dilation_height;
                const int64_t w = q * c.stride_width - c.padding_width + s * c.dilation_width;
                if (h < 0 || h >= c.height || w < 0 || w >= c.width) continue;
                action(((n * c.height + h) * c.width + w) * c.channels + k / filters * channels + i,
                       ((k * c.filter_height + r) * c.filter_width + s) * channels + i,
                       ((n * c.out_height + p) * c.out_width + q) * c.filters + k);
              }
}

/// Runs all three and compares: the largest error, relative to the largest entry.
template <class T>
double largest_error(const Convolution& shape, float alpha, float beta, cudnnMathType_t math = CUDNN_FMA_MATH) {
  double error = 0;
  for (int direction = 0; direction < 3; ++direction) {
    Case<T> test(shape);
    test.alpha = alpha;
    test.beta = beta;
    cudnnSetConvolutionMathType(test.convolution, math);
    DeviceArray<T>& out = direction == 0 ? test.y : direction == 1 ? test.x : test.w;
    if (beta == 0) out[0] = static_cast<T>(NAN);  // must not be read
    Doubles expected(out.values().size());
    for (size_t i = 0; i < expected.size(); ++i) expected[i] = beta == 0 ? 0 : beta * static_cast<float>(out[i]);
    const auto value = [](const DeviceArray<T>& array, int64_t i) { return static_cast<double>(float(array[i])); };
    each_product(shape, [&](int64_t x, int64_t w, int64_t y) {
      if (direction == 0) expected[y] += alpha * value(test.x, x) * value(test.w, w);
      if (direction == 1) expected[x] += alpha * value(test.y, y) * value(test.w, w);
      if (direction == 2) expected[w] += alpha * value(test.y, y) * value(test.x, x);
    });
    const cudnnStatus_t status = direction == 0   ? test.forward()
                                 : direction == 1 ? test.backward_data()
                                                  : test.backward_filter();
    CHECK(status == CUDNN_STATUS_SUCCESS);
    CHECK(test.synchronize() == cudaSuccess);
    double worst = 0, largest = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      worst = std::max(worst, std::abs(expected[i] - static_cast<float>(out[i])));
      largest = std::max(largest, std::abs(expected[i]));
    }
    error = std::max(error, worst / largest);
  }
  return error;
}

const Convolution kSmall = convolution_of(2, 5, 4, 6, 3, 1, 1, 1, 1);

}  // namespace

TEST_CASE("the three convolutions are right: padding, stride, dilation, groups, alpha and beta") {
  const Convolution shapes[] = {
      kSmall,
      convolution_of(1, 1, 1, 1, 1, 0, 1, 1, 1),
      convolution_of(3, 9, 3, 5, 5, 2, 2, 1, 1),
      convolution_of(2, 8, 6, 4, 3, 0, 1, 2, 2),
      convolution_of(2, 7, 4, 8, 3, 1, 3, 1, 4),
  };
  for (const Convolution& shape : shapes) {
    CAPTURE(shape.channels);
    CHECK(largest_error<float>(shape, 1, 0) < 1e-7);
    CHECK(largest_error<float>(shape, -0.5f, 2) < 1e-7);
    CHECK(largest_error<Bf16>(shape, 1, 0) < 4e-3);
  }
}

TEST_CASE("fp32 is multiplied in TF32 unless the descriptor says CUDNN_FMA_MATH, as from compute capability 8.0 on") {
  const Settings kept = settings();
  CHECK(largest_error<float>(kSmall, 1, 0, CUDNN_DEFAULT_MATH) > 1e-5);
  settings().capability = 75;
  CHECK(largest_error<float>(kSmall, 1, 0, CUDNN_DEFAULT_MATH) < 1e-7);
  settings() = kept;
}

TEST_CASE("algorithms that are not deterministic come first, and differ from call to call") {
  Case<float> test(kSmall);
  const auto differs = [&](auto call, const DeviceArray<float>& out) {
    std::vector<float> seen[2];
    for (auto& values : seen) {
      CHECK(call() == CUDNN_STATUS_SUCCESS);
      CHECK(test.synchronize() == cudaSuccess);
      values = out.values();
    }
    return seen[0] != seen[1];
  };
  cudnnConvolutionBwdDataAlgoPerf_t data[4];
  int count = 0;
  CHECK(cudnnGetConvolutionBackwardDataAlgorithm_v7(test.handle, test.w_descriptor, test.y_descriptor, test.convolution,
                                                    test.x_descriptor, 4, &count, data) == CUDNN_STATUS_SUCCESS);
  CHECK(count == 2);
  CHECK(data[0].determinism == CUDNN_NON_DETERMINISTIC);
  for (int i = 0; i < count; ++i) {
    CHECK(differs([&] { return test.backward_data(data[i].algo); }, test.x) ==
          (data[i].determinism == CUDNN_NON_DETERMINISTIC));
    CHECK(data[i].mathType == CUDNN_FMA_MATH);
  }
  cudnnConvolutionBwdFilterAlgoPerf_t filter[4];
  CHECK(cudnnGetConvolutionBackwardFilterAlgorithm_v7(test.handle, test.x_descriptor, test.y_descriptor,
                                                      test.convolution, test.w_descriptor, 4, &count,
                                                      filter) == CUDNN_STATUS_SUCCESS);
  CHECK(count == 3);
  CHECK(filter[0].determinism == CUDNN_NON_DETERMINISTIC);
  for (int i = 0; i < count; ++i)
    CHECK(differs([&] { return test.backward_filter(filter[i].algo); }, test.w) ==
          (filter[i].determinism == CUDNN_NON_DETERMINISTIC));
  cudnnConvolutionFwdAlgoPerf_t forward[1];
  CHECK(cudnnGetConvolutionForwardAlgorithm_v7(test.handle, test.x_descriptor, test.w_descriptor, test.convolution,
                                               test.y_descriptor, 1, &count, forward) == CUDNN_STATUS_SUCCESS);
  CHECK(count == 1);
  CHECK_FALSE(differs([&] { return test.forward(forward[0].algo); }, test.y));
}

TEST_CASE("a timed search waits, destroys the result, and passes over what needs more workspace") {
  Case<float> test(kSmall);
  const DeviceArray<char> workspace(1200 + kSmall.x_count());  // enough for ALGO_1 of backward data
  cudnnConvolutionBwdDataAlgoPerf_t results[2];
  int count = 0;
  const auto find = [&](size_t bytes) {
    return cudnnFindConvolutionBackwardDataAlgorithmEx(test.handle, test.w_descriptor, test.w.data(), test.y_descriptor,
                                                       test.y.data(), test.convolution, test.x_descriptor,
                                                       test.x.data(), 2, &count, results, workspace.data(), bytes);
  };
  CHECK(find(workspace.bytes()) == CUDNN_STATUS_SUCCESS);
  CHECK(count == 2);
  CHECK(results[0].time < results[1].time);
  CHECK(results[1].status == CUDNN_STATUS_SUCCESS);
  CHECK(statistics().synchronizations == 1);
  CHECK(std::isnan(test.x[0]));
  CHECK(find(600 + kSmall.x_count()) == CUDNN_STATUS_SUCCESS);
  CHECK(results[0].algo == CUDNN_CONVOLUTION_BWD_DATA_ALGO_0);
  CHECK(results[1].status != CUDNN_STATUS_SUCCESS);
  cudaStreamBeginCapture(test.stream, cudaStreamCaptureModeThreadLocal);
  CHECK(find(workspace.bytes()) == CUDNN_STATUS_EXECUTION_FAILED);
  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(test.stream, &graph) == cudaErrorStreamCaptureInvalidated);
}

TEST_CASE("a convolution refuses descriptors that do not match, each of them") {
  Case<float> test(kSmall);
  const Convolution& s = kSmall;
  CHECK(test.forward() == CUDNN_STATUS_SUCCESS);
  const auto set = [](cudnnTensorDescriptor_t tensor, cudnnDataType_t type, int64_t n, int64_t c, int64_t h,
                      int64_t w) { return cudnnSetTensor4dDescriptor(tensor, CUDNN_TENSOR_NHWC, type, n, c, h, w); };
  const auto y_is = [&](int64_t n, int64_t c, int64_t h, int64_t w, cudnnDataType_t type = CUDNN_DATA_FLOAT) {
    CHECK(set(test.y_descriptor, type, n, c, h, w) == CUDNN_STATUS_SUCCESS);
    return test.forward();
  };
  CHECK(y_is(s.images + 1, s.filters, s.out_height, s.out_width) == CUDNN_STATUS_BAD_PARAM);
  CHECK(y_is(s.images, s.filters + 1, s.out_height, s.out_width) == CUDNN_STATUS_BAD_PARAM);
  CHECK(y_is(s.images, s.filters, s.out_height + 1, s.out_width) == CUDNN_STATUS_BAD_PARAM);
  CHECK(y_is(s.images, s.filters, s.out_height, s.out_width - 1) == CUDNN_STATUS_BAD_PARAM);
  CHECK(said("y is 2 x 5 x 5 x 6 (NHWC), the convolution gives 2 x 5 x 6 x 6"));
  CHECK(y_is(s.images, s.filters, s.out_height, s.out_width, CUDNN_DATA_BFLOAT16) == CUDNN_STATUS_BAD_PARAM);
  CHECK(y_is(s.images, s.filters, s.out_height, s.out_width) == CUDNN_STATUS_SUCCESS);
  cudnnSetConvolutionGroupCount(test.convolution, 2);
  CHECK(test.forward() == CUDNN_STATUS_BAD_PARAM);
  cudnnSetConvolutionGroupCount(test.convolution, 1);
  set(test.x_descriptor, CUDNN_DATA_FLOAT, s.images, s.channels + 1, s.height, s.width);
  CHECK(test.forward() == CUDNN_STATUS_BAD_PARAM);
  CHECK(said("do not match"));

  CHECK(set(test.x_descriptor, CUDNN_DATA_FLOAT, 0, 1, 1, 1) == CUDNN_STATUS_BAD_PARAM);
  CHECK(cudnnSetTensor4dDescriptor(test.x_descriptor, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, 1, 1, 1) ==
        CUDNN_STATUS_NOT_SUPPORTED);
  CHECK(cudnnSetTensor4dDescriptorEx(test.x_descriptor, CUDNN_DATA_FLOAT, s.images, s.channels, s.height, s.width,
                                     s.height * s.width * s.channels, 1, s.width * s.channels,
                                     s.channels) == CUDNN_STATUS_SUCCESS);
  CHECK(test.forward() == CUDNN_STATUS_SUCCESS);
  CHECK(cudnnSetTensor4dDescriptorEx(test.x_descriptor, CUDNN_DATA_FLOAT, 2, 3, 4, 5, 60, 20, 5, 1) ==
        CUDNN_STATUS_NOT_SUPPORTED);
  cudnnTensorDescriptor_t unset = nullptr;
  cudnnCreateTensorDescriptor(&unset);
  std::swap(unset, test.x_descriptor);
  CHECK(test.forward() == CUDNN_STATUS_BAD_PARAM);
  std::swap(unset, test.x_descriptor);
  CHECK(cudnnDestroyTensorDescriptor(unset) == CUDNN_STATUS_SUCCESS);
  CHECK(cudnnDestroyTensorDescriptor(unset) == CUDNN_STATUS_BAD_PARAM);
  char message[64];
  cudnnGetLastErrorString(message, sizeof message);
  CHECK(std::string(message).starts_with("cudnnDestroyTensorDescriptor: "));
}

TEST_CASE("a convolution refuses small workspaces, foreign memory and operands that overlap") {
  Case<float> test(kSmall);
  const auto algorithm = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM;
  size_t bytes = 0;
  CHECK(cudnnGetConvolutionForwardWorkspaceSize(test.handle, test.x_descriptor, test.w_descriptor, test.convolution,
                                                test.y_descriptor, algorithm, &bytes) == CUDNN_STATUS_SUCCESS);
  CHECK(bytes > 0);
  const DeviceArray<char> workspace(bytes);
  std::vector<float> on_host(kSmall.x_count());
  const auto forward = [&](const float* x, void* scratch, size_t scratch_bytes, float* y, const float* alpha) {
    return cudnnConvolutionForward(test.handle, alpha, test.x_descriptor, x, test.w_descriptor, test.w.data(),
                                   test.convolution, algorithm, scratch, scratch_bytes, &test.beta, test.y_descriptor,
                                   y);
  };
  float *x = test.x.data(), *y = test.y.data();
  CHECK(forward(x, workspace.data(), bytes, y, &test.alpha) == CUDNN_STATUS_SUCCESS);
  workspace[0] = 1;
  CHECK(test.synchronize() == cudaSuccess);
  CHECK(workspace[0] == -1);  // it was used
  CHECK(forward(x, workspace.data(), bytes - 1, y, &test.alpha) == CUDNN_STATUS_BAD_PARAM);
  CHECK(forward(x, nullptr, 0, y, &test.alpha) == CUDNN_STATUS_BAD_PARAM);
  CHECK(said("a workspace of 0 bytes"));
  CHECK(forward(x, workspace.data(), bytes + 1, y, &test.alpha) == CUDNN_STATUS_BAD_PARAM);
  CHECK(said("the workspace"));
  CHECK(forward(x, nullptr, bytes, y, &test.alpha) == CUDNN_STATUS_BAD_PARAM);
  CHECK(forward(on_host.data(), workspace.data(), bytes, y, &test.alpha) == CUDNN_STATUS_BAD_PARAM);
  CHECK(said("the first operand"));
  CHECK(forward(x, workspace.data(), bytes, on_host.data(), &test.alpha) == CUDNN_STATUS_BAD_PARAM);
  CHECK(forward(x, workspace.data(), bytes, y + 1, &test.alpha) == CUDNN_STATUS_BAD_PARAM);
  CHECK(forward(x, workspace.data(), bytes, y, x) == CUDNN_STATUS_BAD_PARAM);
  const DeviceArray<float> both(kSmall.x_count() + kSmall.y_count());
  CHECK(forward(both.data(), workspace.data(), bytes, both.data() + kSmall.x_count() - 1, &test.alpha) ==
        CUDNN_STATUS_BAD_PARAM);
  CHECK(said("overlap"));
  CHECK(test.forward(CUDNN_CONVOLUTION_FWD_ALGO_FFT) == CUDNN_STATUS_NOT_SUPPORTED);
}

TEST_CASE("bfloat16 needs compute capability 8.0") {
  Case<Bf16> test(kSmall);
  CHECK(test.forward() == CUDNN_STATUS_SUCCESS);
  settings().capability = 75;
  CHECK(test.forward() == CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH);
}

}  // namespace margincore::cuda_sim
