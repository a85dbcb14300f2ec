// What cuDNN's handles and descriptors hold, and what its functions begin with.
#pragma once

#include <cudnn.h>

#include "api.h"

struct cudnnContext {
  cudaStream_t stream = nullptr;
};

struct cudnnTensorStruct {
  cudnnDataType_t type;
  int n, c, h, w;  // all 0 until it is set
};

struct cudnnFilterStruct {
  cudnnDataType_t type;
  int k, c, h, w;
};

struct cudnnConvolutionStruct {
  int padding_height, padding_width, stride_height, stride_width, dilation_height, dilation_width;
  int groups;  // 0 until it is set
  cudnnMathType_t math;
};

namespace margincore::cuda_sim::cudnn {

inline constexpr const char* kHandle = "cuDNN handle";
inline constexpr const char* kTensor = "tensor descriptor";
inline constexpr const char* kFilter = "filter descriptor";
inline constexpr const char* kConvolution = "convolution descriptor";

template <class Body>
cudnnStatus_t call(const char* function, Body body, On device = On::WorkingDevice) {
  return answer(function, CUDNN_STATUS_EXECUTION_FAILED, body, device);
}

inline void require(const void* pointer) {
  if (pointer == nullptr) refuse(CUDNN_STATUS_BAD_PARAM, "an argument is null");
}

template <class Object>
Object& object_of(Object* object, const char* kind) {
  require_object(CUDNN_STATUS_BAD_PARAM, object, kind);
  return *object;
}

}  // namespace margincore::cuda_sim::cudnn
