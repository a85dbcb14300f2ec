#include "cuda/convolution.h"

#include <vector>

#include "cuda/kernels/kernels.h"

namespace margincore {

namespace {

const float kOne = 1, kZero = 0;

cudnnDataType_t type_of(const Tensor& tensor) {
  return tensor.dtype == DType::BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

using ImageDescriptor = Owned<cudnnTensorDescriptor_t, cudnnDestroyTensorDescriptor>;

void describe(ImageDescriptor& descriptor, const Tensor& image) {
  if (image.count() > INT32_MAX)
    throw Error(ErrorCode::Unsupported, "an image tensor of " + std::to_string(image.count()) +
                                            " values: cuDNN takes fewer than 2^31. Make the batch smaller");
  MARGINCORE_CHECK(cudnnCreateTensorDescriptor(descriptor.to_create()));
  const auto size = [&](int axis) { return static_cast<int>(image.shape[axis]); };
  MARGINCORE_CHECK(
      cudnnSetTensor4dDescriptor(descriptor, CUDNN_TENSOR_NHWC, type_of(image), size(0), size(3), size(1), size(2)));
}

/// Whether there was so much device memory.
bool try_allocate(DeviceMemory& memory, size_t bytes) {
  if (cudaMalloc(memory.to_create(), bytes) == cudaSuccess) return true;
  *memory.to_create() = nullptr;
  cudaGetLastError();
  return false;
}

/// Memory for trying algorithms, as much as there is of what one of them may take; freed afterwards.
class Trial {
 public:
  Trial() {
    while (bytes_ > 0 && !try_allocate(memory_, bytes_)) bytes_ /= 4;
  }

  void* memory() const { return memory_; }
  size_t bytes() const { return bytes_; }

 private:
  DeviceMemory memory_;
  size_t bytes_ = kMaxConvolutionWorkspace;
};

/// An algorithm with the arithmetic and the workspace that it was timed with, once it is chosen.
template <class Algorithm>
struct Choice {
  bool made = false;
  Algorithm algorithm{};
  cudnnMathType_t math{};
  size_t workspace = 0;
};

/// The first (fastest) of cuDNN's answers that works within the workspace and, where asked for, is deterministic.
template <class Algorithm, class Performance>
Choice<Algorithm> first_usable(const std::vector<Performance>& answers, int count, bool deterministic,
                               const char* pass) {
  bool lacks_memory = false;
  for (int i = 0; i < count; ++i) {
    const Performance& answer = answers[i];
    if (deterministic && answer.determinism != CUDNN_DETERMINISTIC) continue;
    if (answer.status == CUDNN_STATUS_SUCCESS && answer.memory <= kMaxConvolutionWorkspace)
      return {true, answer.algo, answer.mathType, answer.memory};
    lacks_memory |= cuda::lacks_memory(answer.status);
  }
  if (lacks_memory) throw Error(ErrorCode::OutOfMemory, std::string(pass) + ": no memory for cuDNN's workspace");
  throw Error(ErrorCode::Unsupported, std::string(pass) + ": cuDNN has no algorithm for this shape");
}

}  // namespace

struct CudaConvolutions::Plan {
  ImageDescriptor x, y;
  Owned<cudnnFilterDescriptor_t, cudnnDestroyFilterDescriptor> w;
  Owned<cudnnConvolutionDescriptor_t, cudnnDestroyConvolutionDescriptor> convolution;
  cudnnMathType_t allowed;  // arithmetic that may be searched
  Choice<cudnnConvolutionFwdAlgo_t> forward;
  Choice<cudnnConvolutionBwdDataAlgo_t> backward_data;
  Choice<cudnnConvolutionBwdFilterAlgo_t> backward_filter;

  void use(cudnnMathType_t math) { MARGINCORE_CHECK(cudnnSetConvolutionMathType(convolution, math)); }
};

CudaConvolutions::CudaConvolutions(cudaStream_t stream, CudaWorkspace& workspace, const BackendOptions& options)
    : stream_(stream),
      workspace_(workspace),
      deterministic_(options.deterministic != 0),
      // The default would allow TF32 for fp32 data.
      fp32_math_(options.precision == Precision::Tf32 ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH) {
  MARGINCORE_CREATE(cudnnCreate(handle_.to_create()));
  MARGINCORE_CHECK(cudnnSetStream(handle_, stream));
}

CudaConvolutions::~CudaConvolutions() = default;

CudaConvolutions::Plan& CudaConvolutions::plan(const Tensor& y, const Tensor& x, const Tensor& w, const Conv2d& conv) {
  const Key key = {
      x.shape[0], x.shape[1], x.shape[2], x.shape[3],  w.shape[0],   w.shape[1],  w.shape[2],
      w.shape[3], y.shape[1], y.shape[2], conv.stride, conv.padding, conv.groups, static_cast<int64_t>(x.dtype)};
  std::unique_ptr<Plan>& found = plans_[key];
  if (found) return *found;
  auto made = std::make_unique<Plan>();
  describe(made->x, x);
  describe(made->y, y);
  const auto size = [&](int axis) { return static_cast<int>(w.shape[axis]); };
  MARGINCORE_CHECK(cudnnCreateFilterDescriptor(made->w.to_create()));
  MARGINCORE_CHECK(
      cudnnSetFilter4dDescriptor(made->w, type_of(x), CUDNN_TENSOR_NHWC, size(0), size(3), size(1), size(2)));
  MARGINCORE_CHECK(cudnnCreateConvolutionDescriptor(made->convolution.to_create()));
  MARGINCORE_CHECK(cudnnSetConvolution2dDescriptor(made->convolution, conv.padding, conv.padding, conv.stride,
                                                   conv.stride, 1, 1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
  MARGINCORE_CHECK(cudnnSetConvolutionGroupCount(made->convolution, conv.groups));
  made->allowed = x.dtype == DType::BF16 ? CUDNN_TENSOR_OP_MATH : fp32_math_;
  found = std::move(made);
  return *found;
}

void CudaConvolutions::expect_eager(const char* pass) const {
  cudaStreamCaptureStatus capturing;
  MARGINCORE_CHECK(cudaStreamIsCapturing(stream_, &capturing));
  if (capturing == cudaStreamCaptureStatusNone) return;
  throw Error(ErrorCode::Internal,
              std::string("conv2d_") + pass + ": recording needs a plan that no eager step has made");
}

void CudaConvolutions::forward(Tensor y, Tensor x, Tensor w, Conv2d conv) {
  Plan& p = plan(y, x, w, conv);
  if (!p.forward.made) {
    expect_eager("forward");
    p.use(p.allowed);
    int most = 0, count = 0;
    MARGINCORE_CHECK(cudnnGetConvolutionForwardAlgorithmMaxCount(handle_, &most));
    std::vector<cudnnConvolutionFwdAlgoPerf_t> answers(most);
    if (deterministic_) {
      MARGINCORE_CHECK(
          cudnnGetConvolutionForwardAlgorithm_v7(handle_, p.x, p.w, p.convolution, p.y, most, &count, answers.data()));
    } else {
      const Trial trial;
      MARGINCORE_CHECK(cudnnFindConvolutionForwardAlgorithmEx(handle_, p.x, x.data, p.w, w.data, p.convolution, p.y,
                                                              y.data, most, &count, answers.data(), trial.memory(),
                                                              trial.bytes()));
    }
    p.forward = first_usable<cudnnConvolutionFwdAlgo_t>(answers, count, deterministic_, "forward");
  }
  p.use(p.forward.math);
  void* workspace = workspace_.take(p.forward.workspace);
  MARGINCORE_QUEUE(stream_, cudnnConvolutionForward, handle_, &kOne, p.x, x.data, p.w, w.data, p.convolution,
                   p.forward.algorithm, workspace, p.forward.workspace, &kZero, p.y, y.data);
}

void CudaConvolutions::backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv, bool adds) {
  Plan& p = plan(dy, dx, w, conv);
  if (!p.backward_data.made) {
    expect_eager("backward_data");
    p.use(p.allowed);
    int most = 0, count = 0;
    MARGINCORE_CHECK(cudnnGetConvolutionBackwardDataAlgorithmMaxCount(handle_, &most));
    std::vector<cudnnConvolutionBwdDataAlgoPerf_t> answers(most);
    // A search writes results, and dx may hold what is to be added to. Without memory for another, no search.
    DeviceMemory other;
    const bool searches = !deterministic_ && (!adds || try_allocate(other, static_cast<size_t>(dx.bytes())));
    if (!searches) {
      MARGINCORE_CHECK(cudnnGetConvolutionBackwardDataAlgorithm_v7(handle_, p.w, p.y, p.convolution, p.x, most, &count,
                                                                   answers.data()));
    } else {
      const Trial trial;
      MARGINCORE_CHECK(cudnnFindConvolutionBackwardDataAlgorithmEx(
          handle_, p.w, w.data, p.y, dy.data, p.convolution, p.x, adds ? static_cast<void*>(other) : dx.data, most,
          &count, answers.data(), trial.memory(), trial.bytes()));
    }
    p.backward_data = first_usable<cudnnConvolutionBwdDataAlgo_t>(answers, count, deterministic_, "backward_data");
  }
  p.use(p.backward_data.math);
  void* workspace = workspace_.take(p.backward_data.workspace);
  MARGINCORE_QUEUE(stream_, cudnnConvolutionBackwardData, handle_, &kOne, p.w, w.data, p.y, dy.data, p.convolution,
                   p.backward_data.algorithm, workspace, p.backward_data.workspace, adds ? &kOne : &kZero, p.x,
                   dx.data);
}

void CudaConvolutions::backward_filter(Tensor dw, Tensor dy, Tensor x, Conv2d conv) {
  Plan& p = plan(dy, x, dw, conv);
  // cuDNN gives the gradient in the type of its operands: bf16 goes through the workspace.
  const bool direct = x.dtype == dw.dtype;
  const size_t kept = direct ? 0 : (dw.count() * size_of(x.dtype) + 255) / 256 * 256;
  const auto result = [&](void* space) { return direct ? dw.data : space; };
  if (!p.backward_filter.made) {
    expect_eager("backward_filter");
    p.use(p.allowed);
    int most = 0, count = 0;
    MARGINCORE_CHECK(cudnnGetConvolutionBackwardFilterAlgorithmMaxCount(handle_, &most));
    std::vector<cudnnConvolutionBwdFilterAlgoPerf_t> answers(most);
    if (deterministic_) {
      MARGINCORE_CHECK(cudnnGetConvolutionBackwardFilterAlgorithm_v7(handle_, p.x, p.y, p.convolution, p.w, most,
                                                                     &count, answers.data()));
    } else {
      const Trial trial;
      MARGINCORE_CHECK(cudnnFindConvolutionBackwardFilterAlgorithmEx(handle_, p.x, x.data, p.y, dy.data, p.convolution,
                                                                     p.w, result(workspace_.take(kept)), most, &count,
                                                                     answers.data(), trial.memory(), trial.bytes()));
    }
    p.backward_filter =
        first_usable<cudnnConvolutionBwdFilterAlgo_t>(answers, count, deterministic_, "backward_filter");
  }
  p.use(p.backward_filter.math);
  char* space = static_cast<char*>(workspace_.take(kept + p.backward_filter.workspace));
  MARGINCORE_QUEUE(stream_, cudnnConvolutionBackwardFilter, handle_, &kOne, p.x, x.data, p.y, dy.data, p.convolution,
                   p.backward_filter.algorithm, space + kept, p.backward_filter.workspace, &kZero, p.w, result(space));
  if (!direct) cuda::convert(dw, Tensor(space, x.dtype, dw.shape), stream_);
}

}  // namespace margincore
