// The subset of cuDNN that the CUDA backend calls: the three convolutions.
#include "cudnn_algorithms.h"

using namespace margincore::cuda_sim;
using namespace margincore::cuda_sim::cudnn;
using margincore::format;

extern "C" {

// ---- forward --------------------------------------------------------------------------------------------------------

cudnnStatus_t cudnnGetConvolutionForwardAlgorithmMaxCount(cudnnHandle_t handle, int* count) {
  return call(__func__, [&] {
    object_of(handle, kHandle);
    require(count);
    *count = static_cast<int>(std::size(Forward::kCandidates));
  });
}

cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t handle, const cudnnTensorDescriptor_t x_descriptor,
                                                     const cudnnFilterDescriptor_t w_descriptor,
                                                     const cudnnConvolutionDescriptor_t convolution,
                                                     const cudnnTensorDescriptor_t y_descriptor, const int requested,
                                                     int* returned, cudnnConvolutionFwdAlgoPerf_t* results) {
  return call(__func__, [&] {
    list<Forward>(problem_of(handle, x_descriptor, w_descriptor, convolution, y_descriptor), requested, returned,
                  results);
  });
}

cudnnStatus_t cudnnFindConvolutionForwardAlgorithmEx(cudnnHandle_t handle, const cudnnTensorDescriptor_t x_descriptor,
                                                     const void* x, const cudnnFilterDescriptor_t w_descriptor,
                                                     const void* w, const cudnnConvolutionDescriptor_t convolution,
                                                     const cudnnTensorDescriptor_t y_descriptor, void* y,
                                                     const int requested, int* returned,
                                                     cudnnConvolutionFwdAlgoPerf_t* results, void* workspace,
                                                     size_t workspace_size) {
  return call(__func__, [&] {
    find<Forward>(handle, problem_of(handle, x_descriptor, w_descriptor, convolution, y_descriptor), x, w, y, requested,
                  returned, results, workspace, workspace_size);
  });
}

cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(cudnnHandle_t handle, const cudnnTensorDescriptor_t x_descriptor,
                                                      const cudnnFilterDescriptor_t w_descriptor,
                                                      const cudnnConvolutionDescriptor_t convolution,
                                                      const cudnnTensorDescriptor_t y_descriptor,
                                                      cudnnConvolutionFwdAlgo_t algorithm, size_t* bytes) {
  return call(__func__, [&] {
    require(bytes);
    *bytes =
        workspace_bytes<Forward>(problem_of(handle, x_descriptor, w_descriptor, convolution, y_descriptor), algorithm);
  });
}

cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t handle, const void* alpha,
                                      const cudnnTensorDescriptor_t x_descriptor, const void* x,
                                      const cudnnFilterDescriptor_t w_descriptor, const void* w,
                                      const cudnnConvolutionDescriptor_t convolution,
                                      cudnnConvolutionFwdAlgo_t algorithm, void* workspace, size_t workspace_size,
                                      const void* beta, const cudnnTensorDescriptor_t y_descriptor, void* y) {
  return call(__func__, [&] {
    convolve<Forward>(handle, problem_of(handle, x_descriptor, w_descriptor, convolution, y_descriptor), alpha, x, w,
                      algorithm, workspace, workspace_size, beta, y);
  });
}

// ---- backward data --------------------------------------------------------------------------------------------------

cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithmMaxCount(cudnnHandle_t handle, int* count) {
  return call(__func__, [&] {
    object_of(handle, kHandle);
    require(count);
    *count = static_cast<int>(std::size(BackwardData::kCandidates));
  });
}

cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithm_v7(
    cudnnHandle_t handle, const cudnnFilterDescriptor_t w_descriptor, const cudnnTensorDescriptor_t dy_descriptor,
    const cudnnConvolutionDescriptor_t convolution, const cudnnTensorDescriptor_t dx_descriptor, const int requested,
    int* returned, cudnnConvolutionBwdDataAlgoPerf_t* results) {
  return call(__func__, [&] {
    list<BackwardData>(problem_of(handle, dx_descriptor, w_descriptor, convolution, dy_descriptor), requested, returned,
                       results);
  });
}

cudnnStatus_t cudnnFindConvolutionBackwardDataAlgorithmEx(
    cudnnHandle_t handle, const cudnnFilterDescriptor_t w_descriptor, const void* w,
    const cudnnTensorDescriptor_t dy_descriptor, const void* dy, const cudnnConvolutionDescriptor_t convolution,
    const cudnnTensorDescriptor_t dx_descriptor, void* dx, const int requested, int* returned,
    cudnnConvolutionBwdDataAlgoPerf_t* results, void* workspace, size_t workspace_size) {
  return call(__func__, [&] {
    find<BackwardData>(handle, problem_of(handle, dx_descriptor, w_descriptor, convolution, dy_descriptor), w, dy, dx,
                       requested, returned, results, workspace, workspace_size);
  });
}

cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(cudnnHandle_t handle,
                                                           const cudnnFilterDescriptor_t w_descriptor,
                                                           const cudnnTensorDescriptor_t dy_descriptor,
                                                           const cudnnConvolutionDescriptor_t convolution,
                                                           const cudnnTensorDescriptor_t dx_descriptor,
                                                           cudnnConvolutionBwdDataAlgo_t algorithm, size_t* bytes) {
  return call(__func__, [&] {
    require(bytes);
    *bytes = workspace_bytes<BackwardData>(problem_of(handle, dx_descriptor, w_descriptor, convolution, dy_descriptor),
                                           algorithm);
  });
}

cudnnStatus_t cudnnConvolutionBackwardData(cudnnHandle_t handle, const void* alpha,
                                           const cudnnFilterDescriptor_t w_descriptor, const void* w,
                                           const cudnnTensorDescriptor_t dy_descriptor, const void* dy,
                                           const cudnnConvolutionDescriptor_t convolution,
                                           cudnnConvolutionBwdDataAlgo_t algorithm, void* workspace,
                                           size_t workspace_size, const void* beta,
                                           const cudnnTensorDescriptor_t dx_descriptor, void* dx) {
  return call(__func__, [&] {
    convolve<BackwardData>(handle, problem_of(handle, dx_descriptor, w_descriptor, convolution, dy_descriptor), alpha,
                           w, dy, algorithm, workspace, workspace_size, beta, dx);
  });
}

// ---- backward filter ------------------------------------------------------------------------------------------------

cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithmMaxCount(cudnnHandle_t handle, int* count) {
  return call(__func__, [&] {
    object_of(handle, kHandle);
    require(count);
    *count = static_cast<int>(std::size(BackwardFilter::kCandidates));
  });
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithm_v7(
    cudnnHandle_t handle, const cudnnTensorDescriptor_t x_descriptor, const cudnnTensorDescriptor_t dy_descriptor,
    const cudnnConvolutionDescriptor_t convolution, const cudnnFilterDescriptor_t dw_descriptor, const int requested,
    int* returned, cudnnConvolutionBwdFilterAlgoPerf_t* results) {
  return call(__func__, [&] {
    list<BackwardFilter>(problem_of(handle, x_descriptor, dw_descriptor, convolution, dy_descriptor), requested,
                         returned, results);
  });
}

cudnnStatus_t cudnnFindConvolutionBackwardFilterAlgorithmEx(
    cudnnHandle_t handle, const cudnnTensorDescriptor_t x_descriptor, const void* x,
    const cudnnTensorDescriptor_t dy_descriptor, const void* dy, const cudnnConvolutionDescriptor_t convolution,
    const cudnnFilterDescriptor_t dw_descriptor, void* dw, const int requested, int* returned,
    cudnnConvolutionBwdFilterAlgoPerf_t* results, void* workspace, size_t workspace_size) {
  return call(__func__, [&] {
    find<BackwardFilter>(handle, problem_of(handle, x_descriptor, dw_descriptor, convolution, dy_descriptor), x, dy, dw,
                         requested, returned, results, workspace, workspace_size);
  });
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(cudnnHandle_t handle,
                                                             const cudnnTensorDescriptor_t x_descriptor,
                                                             const cudnnTensorDescriptor_t dy_descriptor,
                                                             const cudnnConvolutionDescriptor_t convolution,
                                                             const cudnnFilterDescriptor_t dw_descriptor,
                                                             cudnnConvolutionBwdFilterAlgo_t algorithm, size_t* bytes) {
  return call(__func__, [&] {
    require(bytes);
    *bytes = workspace_bytes<BackwardFilter>(
        problem_of(handle, x_descriptor, dw_descriptor, convolution, dy_descriptor), algorithm);
  });
}

cudnnStatus_t cudnnConvolutionBackwardFilter(cudnnHandle_t handle, const void* alpha,
                                             const cudnnTensorDescriptor_t x_descriptor, const void* x,
                                             const cudnnTensorDescriptor_t dy_descriptor, const void* dy,
                                             const cudnnConvolutionDescriptor_t convolution,
                                             cudnnConvolutionBwdFilterAlgo_t algorithm, void* workspace,
                                             size_t workspace_size, const void* beta,
                                             const cudnnFilterDescriptor_t dw_descriptor, void* dw) {
  return call(__func__, [&] {
    convolve<BackwardFilter>(handle, problem_of(handle, x_descriptor, dw_descriptor, convolution, dy_descriptor), alpha,
                             x, dy, algorithm, workspace, workspace_size, beta, dw);
  });
}

}  // extern "C"
