#include "cuda/convolution_legacy.h"

#include <vector>

#include "cuda/kernels/kernels.h"
#include "cuda/trial.h"

namespace margincore {

namespace {

const float kOne = 1, kZero = 0;

using ImageDescriptor = Owned<cudnnTensorDescriptor_t, cudnnDestroyTensorDescriptor>;

void describe(ImageDescriptor& descriptor, const Tensor& image) {
  MARGINCORE_CHECK(cudnnCreateTensorDescriptor(descriptor.to_create()));
  const auto size = [&](int axis) { return static_cast<int>(image.shape[axis]); };
  MARGINCORE_CHECK(cudnnSetTensor4dDescriptor(descriptor, CUDNN_TENSOR_NHWC, cudnn_type_of(image), size(0), size(3),
                                              size(1), size(2)));
}

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

struct LegacyConvolutions::Plan {
  ImageDescriptor x, y;
  Owned<cudnnFilterDescriptor_t, cudnnDestroyFilterDescriptor> w;
  Owned<cudnnConvolutionDescriptor_t, cudnnDestroyConvolutionDescriptor> convolution;
  cudnnMathType_t allowed;  // arithmetic that may be searched
  Choice<cudnnConvolutionFwdAlgo_t> forward;
  Choice<cudnnConvolutionBwdDataAlgo_t> backward_data;
  Choice<cudnnConvolutionBwdFilterAlgo_t> backward_filter;

  void use(cudnnMathType_t math) { MARGINCORE_CHECK(cudnnSetConvolutionMathType(convolution, math)); }
};

LegacyConvolutions::LegacyConvolutions(ConvolutionContext& context) : context_(context) {}

LegacyConvolutions::~LegacyConvolutions() = default;

LegacyConvolutions::Plan& LegacyConvolutions::plan(const Tensor& y, const Tensor& x, const Tensor& w,
                                                   const Conv2d& conv) {
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
      cudnnSetFilter4dDescriptor(made->w, cudnn_type_of(x), CUDNN_TENSOR_NHWC, size(0), size(3), size(1), size(2)));
  MARGINCORE_CHECK(cudnnCreateConvolutionDescriptor(made->convolution.to_create()));
  MARGINCORE_CHECK(cudnnSetConvolution2dDescriptor(made->convolution, conv.padding, conv.padding, conv.stride,
                                                   conv.stride, 1, 1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
  MARGINCORE_CHECK(cudnnSetConvolutionGroupCount(made->convolution, conv.groups));
  // The default would allow TF32 for fp32 data.
  made->allowed = x.dtype == DType::BF16 ? CUDNN_TENSOR_OP_MATH
                  : context_.allows_tf32 ? CUDNN_DEFAULT_MATH
                                         : CUDNN_FMA_MATH;
  found = std::move(made);
  return *found;
}

void LegacyConvolutions::run(const ConvolutionCall& call) {
  switch (call.pass) {
    case ConvolutionPass::Forward: return forward(call.y, call.x, call.w, call.conv);
    case ConvolutionPass::BackwardData: return backward_data(call.x, call.y, call.w, call.conv, call.adds);
    case ConvolutionPass::BackwardFilter: return backward_filter(call.w, call.y, call.x, call.conv);
  }
}

void LegacyConvolutions::forward(Tensor y, Tensor x, Tensor w, Conv2d conv) {
  Plan& p = plan(y, x, w, conv);
  if (!p.forward.made) {
    context_.expect_eager("forward");
    p.use(p.allowed);
    int most = 0, count = 0;
    MARGINCORE_CHECK(cudnnGetConvolutionForwardAlgorithmMaxCount(context_.handle, &most));
    std::vector<cudnnConvolutionFwdAlgoPerf_t> answers(most);
    if (context_.deterministic) {
      MARGINCORE_CHECK(cudnnGetConvolutionForwardAlgorithm_v7(context_.handle, p.x, p.w, p.convolution, p.y, most,
                                                              &count, answers.data()));
    } else {
      const Trial trial;
      MARGINCORE_CHECK(cudnnFindConvolutionForwardAlgorithmEx(context_.handle, p.x, x.data, p.w, w.data, p.convolution,
                                                              p.y, y.data, most, &count, answers.data(), trial.memory(),
                                                              trial.bytes()));
    }
    p.forward = first_usable<cudnnConvolutionFwdAlgo_t>(answers, count, context_.deterministic, "forward");
  }
  p.use(p.forward.math);
  void* workspace = context_.workspace.take(p.forward.workspace);
  MARGINCORE_QUEUE(context_.stream, cudnnConvolutionForward, context_.handle, &kOne, p.x, x.data, p.w, w.data,
                   p.convolution, p.forward.algorithm, workspace, p.forward.workspace, &kZero, p.y, y.data);
}

void LegacyConvolutions::backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv, bool adds) {
  Plan& p = plan(dy, dx, w, conv);
  if (!p.backward_data.made) {
    context_.expect_eager("backward_data");
    p.use(p.allowed);
    int most = 0, count = 0;
    MARGINCORE_CHECK(cudnnGetConvolutionBackwardDataAlgorithmMaxCount(context_.handle, &most));
    std::vector<cudnnConvolutionBwdDataAlgoPerf_t> answers(most);
    // A search writes results, and dx may hold what is to be added to. Without memory for another, no search.
    DeviceMemory other;
    const bool searches = !context_.deterministic && (!adds || try_allocate(other, static_cast<size_t>(dx.bytes())));
    if (!searches) {
      MARGINCORE_CHECK(cudnnGetConvolutionBackwardDataAlgorithm_v7(context_.handle, p.w, p.y, p.convolution, p.x, most,
                                                                   &count, answers.data()));
    } else {
      const Trial trial;
      MARGINCORE_CHECK(cudnnFindConvolutionBackwardDataAlgorithmEx(
          context_.handle, p.w, w.data, p.y, dy.data, p.convolution, p.x, adds ? static_cast<void*>(other) : dx.data,
          most, &count, answers.data(), trial.memory(), trial.bytes()));
    }
    p.backward_data =
        first_usable<cudnnConvolutionBwdDataAlgo_t>(answers, count, context_.deterministic, "backward_data");
  }
  p.use(p.backward_data.math);
  void* workspace = context_.workspace.take(p.backward_data.workspace);
  MARGINCORE_QUEUE(context_.stream, cudnnConvolutionBackwardData, context_.handle, &kOne, p.w, w.data, p.y, dy.data,
                   p.convolution, p.backward_data.algorithm, workspace, p.backward_data.workspace,
                   adds ? &kOne : &kZero, p.x, dx.data);
}

void LegacyConvolutions::backward_filter(Tensor dw, Tensor dy, Tensor x, Conv2d conv) {
  Plan& p = plan(dy, x, dw, conv);
  // cuDNN gives the gradient in the type of its operands: bf16 goes through the workspace.
  const bool direct = x.dtype == dw.dtype;
  const size_t kept = direct ? 0 : bytes_before_conversion(dw, x.dtype);
  const auto result = [&](void* space) { return direct ? dw.data : space; };
  if (!p.backward_filter.made) {
    context_.expect_eager("backward_filter");
    p.use(p.allowed);
    int most = 0, count = 0;
    MARGINCORE_CHECK(cudnnGetConvolutionBackwardFilterAlgorithmMaxCount(context_.handle, &most));
    std::vector<cudnnConvolutionBwdFilterAlgoPerf_t> answers(most);
    if (context_.deterministic) {
      MARGINCORE_CHECK(cudnnGetConvolutionBackwardFilterAlgorithm_v7(context_.handle, p.x, p.y, p.convolution, p.w,
                                                                     most, &count, answers.data()));
    } else {
      const Trial trial;
      MARGINCORE_CHECK(cudnnFindConvolutionBackwardFilterAlgorithmEx(
          context_.handle, p.x, x.data, p.y, dy.data, p.convolution, p.w, result(context_.workspace.take(kept)), most,
          &count, answers.data(), trial.memory(), trial.bytes()));
    }
    p.backward_filter =
        first_usable<cudnnConvolutionBwdFilterAlgo_t>(answers, count, context_.deterministic, "backward_filter");
  }
  p.use(p.backward_filter.math);
  char* space = static_cast<char*>(context_.workspace.take(kept + p.backward_filter.workspace));
  MARGINCORE_QUEUE(context_.stream, cudnnConvolutionBackwardFilter, context_.handle, &kOne, p.x, x.data, p.y, dy.data,
                   p.convolution, p.backward_filter.algorithm, space + kept, p.backward_filter.workspace, &kZero, p.w,
                   result(space));
  if (!direct) cuda::convert(dw, Tensor(space, x.dtype, dw.shape), context_.stream);
}

}  // namespace margincore
