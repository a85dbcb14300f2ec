// The subset of cuDNN that the CUDA backend calls: handles and descriptors, of dense NHWC images and KRSC filters.
#include <algorithm>
#include <cstdio>

#include "cudnn_objects.h"
#include "streams.h"

namespace margincore::cuda_sim::cudnn {
namespace {

template <class Object>
cudnnStatus_t create(const char* function, Object** object, const char* kind) {
  return call(function, [&] {
    require(object);
    *object = new Object{};
    add_object(*object, kind);
  });
}

template <class Object>
cudnnStatus_t release(const char* function, Object* object, const char* kind) {
  return call(function, [&] { destroy(CUDNN_STATUS_BAD_PARAM, object, kind); }, On::AnyDevice);
}

void require_nhwc(cudnnTensorFormat_t layout) {
  if (layout != CUDNN_TENSOR_NHWC) refuse(CUDNN_STATUS_NOT_SUPPORTED, "only CUDNN_TENSOR_NHWC is simulated");
}

void require_positive(std::initializer_list<int> dimensions) {
  if (std::min(dimensions) <= 0) refuse(CUDNN_STATUS_BAD_PARAM, "a dimension is not positive");
}

}  // namespace
}  // namespace margincore::cuda_sim::cudnn

using namespace margincore::cuda_sim;
using namespace margincore::cuda_sim::cudnn;
using margincore::format;

extern "C" {

size_t cudnnGetVersion() { return CUDNN_VERSION; }

size_t cudnnGetCudartVersion() { return settings().cudnn_cuda != 0 ? settings().cudnn_cuda : CUDART_VERSION; }

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  return call(__func__, [&] {
    require(handle);
    refuse_while_capturing();
    *handle = new cudnnContext;
    add_object(*handle, kHandle);
  });
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) { return release(__func__, handle, kHandle); }

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  return call(__func__, [&] {
    stream_of(stream);
    object_of(handle, kHandle).stream = stream;
  });
}

const char* cudnnGetErrorString(cudnnStatus_t status) {
  switch (status) {
    case CUDNN_STATUS_SUCCESS: return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_BAD_PARAM: return "CUDNN_STATUS_BAD_PARAM";
    case CUDNN_STATUS_NOT_SUPPORTED: return "CUDNN_STATUS_NOT_SUPPORTED";
    case CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH: return "CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH";
    case CUDNN_STATUS_EXECUTION_FAILED: return "CUDNN_STATUS_EXECUTION_FAILED";
    default: return "another cuDNN status";
  }
}

void cudnnGetLastErrorString(char* message, size_t max_size) {
  std::snprintf(message, max_size, "%s", last_message().c_str());
}

// ---- descriptors ----------------------------------------------------------------------------------------------------

cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* tensor) { return create(__func__, tensor, kTensor); }

cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t tensor) {
  return release(__func__, tensor, kTensor);
}

cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t tensor, cudnnTensorFormat_t layout,
                                         cudnnDataType_t type, int n, int c, int h, int w) {
  return call(__func__, [&] {
    require_nhwc(layout);
    require_positive({n, c, h, w});
    object_of(tensor, kTensor) = {type, n, c, h, w};
  });
}

cudnnStatus_t cudnnSetTensor4dDescriptorEx(cudnnTensorDescriptor_t tensor, cudnnDataType_t type, int n, int c, int h,
                                           int w, int n_stride, int c_stride, int h_stride, int w_stride) {
  return call(__func__, [&] {
    require_positive({n, c, h, w});
    if (c_stride != 1 || w_stride != c || h_stride != w * c || n_stride != h * w * c)
      refuse(CUDNN_STATUS_NOT_SUPPORTED, "only the strides of dense NHWC are simulated");
    object_of(tensor, kTensor) = {type, n, c, h, w};
  });
}

cudnnStatus_t cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t* filter) { return create(__func__, filter, kFilter); }

cudnnStatus_t cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t filter) {
  return release(__func__, filter, kFilter);
}

cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t filter, cudnnDataType_t type,
                                         cudnnTensorFormat_t layout, int k, int c, int h, int w) {
  return call(__func__, [&] {
    require_nhwc(layout);
    require_positive({k, c, h, w});
    object_of(filter, kFilter) = {type, k, c, h, w};
  });
}

cudnnStatus_t cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t* convolution) {
  return create(__func__, convolution, kConvolution);
}

cudnnStatus_t cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t convolution) {
  return release(__func__, convolution, kConvolution);
}

cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t convolution, int pad_h, int pad_w, int u,
                                              int v, int dilation_h, int dilation_w, cudnnConvolutionMode_t mode,
                                              cudnnDataType_t compute) {
  return call(__func__, [&] {
    if (mode != CUDNN_CROSS_CORRELATION || compute != CUDNN_DATA_FLOAT)
      refuse(CUDNN_STATUS_NOT_SUPPORTED, "only cross-correlation in fp32 is simulated");
    require_positive({pad_h + 1, pad_w + 1, u, v, dilation_h, dilation_w});
    auto& set = object_of(convolution, kConvolution);
    set = {pad_h, pad_w, u, v, dilation_h, dilation_w, std::max(1, set.groups), set.math};
  });
}

cudnnStatus_t cudnnSetConvolutionGroupCount(cudnnConvolutionDescriptor_t convolution, int groups) {
  return call(__func__, [&] {
    require_positive({groups});
    object_of(convolution, kConvolution).groups = groups;
  });
}

cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t convolution, cudnnMathType_t math) {
  return call(__func__, [&] { object_of(convolution, kConvolution).math = math; });
}

}  // extern "C"
