// The part of cuDNN's interface that the CUDA backend and the simulator use, by its public documentation.
#pragma once

#include "cuda_runtime_api.h"

inline constexpr int CUDNN_VERSION = 90000;

enum cudnnStatus_t {
  CUDNN_STATUS_SUCCESS = 0,
  CUDNN_STATUS_NOT_INITIALIZED = 1001,
  CUDNN_STATUS_BAD_PARAM = 2000,
  CUDNN_STATUS_NOT_SUPPORTED = 3000,
  CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH = 3007,
  CUDNN_STATUS_ARCH_MISMATCH = CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH,
  CUDNN_STATUS_ALLOC_FAILED = 4003,
  CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED = 4004,
  CUDNN_STATUS_EXECUTION_FAILED = 5000,
};

enum cudnnDataType_t {
  CUDNN_DATA_FLOAT = 0,
  CUDNN_DATA_BFLOAT16 = 9,
};

enum cudnnMathType_t {
  CUDNN_DEFAULT_MATH = 0,
  CUDNN_TENSOR_OP_MATH = 1,
  CUDNN_FMA_MATH = 3,
};

enum cudnnDeterminism_t {
  CUDNN_NON_DETERMINISTIC = 0,
  CUDNN_DETERMINISTIC = 1,
};

enum cudnnTensorFormat_t {
  CUDNN_TENSOR_NCHW = 0,
  CUDNN_TENSOR_NHWC = 1,
};

enum cudnnConvolutionMode_t {
  CUDNN_CROSS_CORRELATION = 1,
};

enum cudnnConvolutionFwdAlgo_t {
  CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM = 0,
  CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM = 1,
  CUDNN_CONVOLUTION_FWD_ALGO_FFT = 4,
};

enum cudnnConvolutionBwdDataAlgo_t {
  CUDNN_CONVOLUTION_BWD_DATA_ALGO_0 = 0,
  CUDNN_CONVOLUTION_BWD_DATA_ALGO_1 = 1,
};

enum cudnnConvolutionBwdFilterAlgo_t {
  CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0 = 0,
  CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1 = 1,
  CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3 = 3,
};

struct cudnnContext;
struct cudnnTensorStruct;
struct cudnnFilterStruct;
struct cudnnConvolutionStruct;
using cudnnHandle_t = cudnnContext*;
using cudnnTensorDescriptor_t = cudnnTensorStruct*;
using cudnnFilterDescriptor_t = cudnnFilterStruct*;
using cudnnConvolutionDescriptor_t = cudnnConvolutionStruct*;

struct cudnnConvolutionFwdAlgoPerf_t {
  cudnnConvolutionFwdAlgo_t algo;
  cudnnStatus_t status;
  float time;
  size_t memory;
  cudnnDeterminism_t determinism;
  cudnnMathType_t mathType;
  int reserved[3];
};

struct cudnnConvolutionBwdDataAlgoPerf_t {
  cudnnConvolutionBwdDataAlgo_t algo;
  cudnnStatus_t status;
  float time;
  size_t memory;
  cudnnDeterminism_t determinism;
  cudnnMathType_t mathType;
  int reserved[3];
};

struct cudnnConvolutionBwdFilterAlgoPerf_t {
  cudnnConvolutionBwdFilterAlgo_t algo;
  cudnnStatus_t status;
  float time;
  size_t memory;
  cudnnDeterminism_t determinism;
  cudnnMathType_t mathType;
  int reserved[3];
};

CUDA_SIM_API size_t cudnnGetVersion();
CUDA_SIM_API size_t cudnnGetCudartVersion();
CUDA_SIM_API const char* cudnnGetErrorString(cudnnStatus_t status);
CUDA_SIM_API void cudnnGetLastErrorString(char* message, size_t max_size);
CUDA_SIM_API cudnnStatus_t cudnnCreate(cudnnHandle_t* handle);
CUDA_SIM_API cudnnStatus_t cudnnDestroy(cudnnHandle_t handle);
CUDA_SIM_API cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream);

CUDA_SIM_API cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* tensor);
CUDA_SIM_API cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t tensor);
CUDA_SIM_API cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t tensor, cudnnTensorFormat_t layout,
                                                      cudnnDataType_t type, int n, int c, int h, int w);
CUDA_SIM_API cudnnStatus_t cudnnSetTensor4dDescriptorEx(cudnnTensorDescriptor_t tensor, cudnnDataType_t type, int n,
                                                        int c, int h, int w, int n_stride, int c_stride, int h_stride,
                                                        int w_stride);
CUDA_SIM_API cudnnStatus_t cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t* filter);
CUDA_SIM_API cudnnStatus_t cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t filter);
CUDA_SIM_API cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t filter, cudnnDataType_t type,
                                                      cudnnTensorFormat_t layout, int k, int c, int h, int w);
CUDA_SIM_API cudnnStatus_t cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t* convolution);
CUDA_SIM_API cudnnStatus_t cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t convolution);
CUDA_SIM_API cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t convolution, int pad_h,
                                                           int pad_w, int u, int v, int dilation_h, int dilation_w,
                                                           cudnnConvolutionMode_t mode, cudnnDataType_t compute);
CUDA_SIM_API cudnnStatus_t cudnnSetConvolutionGroupCount(cudnnConvolutionDescriptor_t convolution, int groups);
CUDA_SIM_API cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t convolution, cudnnMathType_t math);

CUDA_SIM_API cudnnStatus_t cudnnGetConvolutionForwardAlgorithmMaxCount(cudnnHandle_t handle, int* count);
CUDA_SIM_API cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t handle, cudnnTensorDescriptor_t x_as,
                                                                  cudnnFilterDescriptor_t w_as,
                                                                  cudnnConvolutionDescriptor_t convolution,
                                                                  cudnnTensorDescriptor_t y_as, int requested,
                                                                  int* returned,
                                                                  cudnnConvolutionFwdAlgoPerf_t* results);
CUDA_SIM_API cudnnStatus_t cudnnFindConvolutionForwardAlgorithmEx(
    cudnnHandle_t handle, cudnnTensorDescriptor_t x_as, const void* x, cudnnFilterDescriptor_t w_as, const void* w,
    cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t y_as, void* y, int requested, int* returned,
    cudnnConvolutionFwdAlgoPerf_t* results, void* workspace, size_t workspace_size);
CUDA_SIM_API cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(cudnnHandle_t handle, cudnnTensorDescriptor_t x_as,
                                                                   cudnnFilterDescriptor_t w_as,
                                                                   cudnnConvolutionDescriptor_t convolution,
                                                                   cudnnTensorDescriptor_t y_as,
                                                                   cudnnConvolutionFwdAlgo_t algorithm, size_t* bytes);
CUDA_SIM_API cudnnStatus_t cudnnConvolutionForward(
    cudnnHandle_t handle, const void* alpha, cudnnTensorDescriptor_t x_as, const void* x, cudnnFilterDescriptor_t w_as,
    const void* w, cudnnConvolutionDescriptor_t convolution, cudnnConvolutionFwdAlgo_t algorithm, void* workspace,
    size_t workspace_size, const void* beta, cudnnTensorDescriptor_t y_as, void* y);

CUDA_SIM_API cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithmMaxCount(cudnnHandle_t handle, int* count);
CUDA_SIM_API cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithm_v7(
    cudnnHandle_t handle, cudnnFilterDescriptor_t w_as, cudnnTensorDescriptor_t dy_as,
    cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t dx_as, int requested, int* returned,
    cudnnConvolutionBwdDataAlgoPerf_t* results);
CUDA_SIM_API cudnnStatus_t cudnnFindConvolutionBackwardDataAlgorithmEx(
    cudnnHandle_t handle, cudnnFilterDescriptor_t w_as, const void* w, cudnnTensorDescriptor_t dy_as, const void* dy,
    cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t dx_as, void* dx, int requested, int* returned,
    cudnnConvolutionBwdDataAlgoPerf_t* results, void* workspace, size_t workspace_size);
CUDA_SIM_API cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(
    cudnnHandle_t handle, cudnnFilterDescriptor_t w_as, cudnnTensorDescriptor_t dy_as,
    cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t dx_as, cudnnConvolutionBwdDataAlgo_t algorithm,
    size_t* bytes);
CUDA_SIM_API cudnnStatus_t cudnnConvolutionBackwardData(
    cudnnHandle_t handle, const void* alpha, cudnnFilterDescriptor_t w_as, const void* w, cudnnTensorDescriptor_t dy_as,
    const void* dy, cudnnConvolutionDescriptor_t convolution, cudnnConvolutionBwdDataAlgo_t algorithm, void* workspace,
    size_t workspace_size, const void* beta, cudnnTensorDescriptor_t dx_as, void* dx);

CUDA_SIM_API cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithmMaxCount(cudnnHandle_t handle, int* count);
CUDA_SIM_API cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithm_v7(
    cudnnHandle_t handle, cudnnTensorDescriptor_t x_as, cudnnTensorDescriptor_t dy_as,
    cudnnConvolutionDescriptor_t convolution, cudnnFilterDescriptor_t dw_as, int requested, int* returned,
    cudnnConvolutionBwdFilterAlgoPerf_t* results);
CUDA_SIM_API cudnnStatus_t cudnnFindConvolutionBackwardFilterAlgorithmEx(
    cudnnHandle_t handle, cudnnTensorDescriptor_t x_as, const void* x, cudnnTensorDescriptor_t dy_as, const void* dy,
    cudnnConvolutionDescriptor_t convolution, cudnnFilterDescriptor_t dw_as, void* dw, int requested, int* returned,
    cudnnConvolutionBwdFilterAlgoPerf_t* results, void* workspace, size_t workspace_size);
CUDA_SIM_API cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(
    cudnnHandle_t handle, cudnnTensorDescriptor_t x_as, cudnnTensorDescriptor_t dy_as,
    cudnnConvolutionDescriptor_t convolution, cudnnFilterDescriptor_t dw_as, cudnnConvolutionBwdFilterAlgo_t algorithm,
    size_t* bytes);
CUDA_SIM_API cudnnStatus_t cudnnConvolutionBackwardFilter(
    cudnnHandle_t handle, const void* alpha, cudnnTensorDescriptor_t x_as, const void* x, cudnnTensorDescriptor_t dy_as,
    const void* dy, cudnnConvolutionDescriptor_t convolution, cudnnConvolutionBwdFilterAlgo_t algorithm,
    void* workspace, size_t workspace_size, const void* beta, cudnnFilterDescriptor_t dw_as, void* dw);
