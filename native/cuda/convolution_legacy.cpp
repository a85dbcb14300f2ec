#include "cuda/convolution_legacy.h"

#include <sstream>
#include <vector>

#include "cuda/kernels/kernels.h"
#include "cuda/trial.h"

namespace margincore {

namespace {

const float kOne = 1, kZero = 0;

/// What cuDNN calls the functions of a pass: they take the operands that are read, and then the result.
struct ForwardFunctions {
  using Algorithm = cudnnConvolutionFwdAlgo_t;
  using Performance = cudnnConvolutionFwdAlgoPerf_t;
  static constexpr auto count = cudnnGetConvolutionForwardAlgorithmMaxCount;
  static constexpr auto list = cudnnGetConvolutionForwardAlgorithm_v7;
  static constexpr auto find = cudnnFindConvolutionForwardAlgorithmEx;
  static constexpr auto workspace = cudnnGetConvolutionForwardWorkspaceSize;
  static constexpr auto convolve = cudnnConvolutionForward;
};

struct BackwardDataFunctions {
  using Algorithm = cudnnConvolutionBwdDataAlgo_t;
  using Performance = cudnnConvolutionBwdDataAlgoPerf_t;
  static constexpr auto count = cudnnGetConvolutionBackwardDataAlgorithmMaxCount;
  static constexpr auto list = cudnnGetConvolutionBackwardDataAlgorithm_v7;
  static constexpr auto find = cudnnFindConvolutionBackwardDataAlgorithmEx;
  static constexpr auto workspace = cudnnGetConvolutionBackwardDataWorkspaceSize;
  static constexpr auto convolve = cudnnConvolutionBackwardData;
};

struct BackwardFilterFunctions {
  using Algorithm = cudnnConvolutionBwdFilterAlgo_t;
  using Performance = cudnnConvolutionBwdFilterAlgoPerf_t;
  static constexpr auto count = cudnnGetConvolutionBackwardFilterAlgorithmMaxCount;
  static constexpr auto list = cudnnGetConvolutionBackwardFilterAlgorithm_v7;
  static constexpr auto find = cudnnFindConvolutionBackwardFilterAlgorithmEx;
  static constexpr auto workspace = cudnnGetConvolutionBackwardFilterWorkspaceSize;
  static constexpr auto convolve = cudnnConvolutionBackwardFilter;
};

/// An image or a filter with its descriptor.
template <class Descriptor>
struct Operand {
  const Descriptor& descriptor;
  void* data;
};

using ImageDescriptor = Owned<cudnnTensorDescriptor_t, cudnnDestroyTensorDescriptor>;

void describe(ImageDescriptor& descriptor, const Tensor& image, cudnnDataType_t type) {
  MARGINCORE_CHECK(cudnnCreateTensorDescriptor(descriptor.to_create()));
  const auto size = [&](int axis) { return static_cast<int>(image.shape[axis]); };
  MARGINCORE_CHECK(cudnnSetTensor4dDescriptor(descriptor, CUDNN_TENSOR_NHWC, type, size(0), size(3), size(1), size(2)));
}

/// An algorithm with its arithmetic and its workspace.
struct Choice {
  int algorithm;
  cudnnMathType_t math;
  size_t workspace;
};

/// The first (fastest) of cuDNN's answers that works within the workspace and, where asked for, is deterministic.
template <class Performance>
Choice first_usable(const std::vector<Performance>& answers, int count, bool deterministic, const char* pass) {
  bool lacks_memory = false;
  for (int i = 0; i < count; ++i) {
    const Performance& answer = answers[i];
    if (deterministic && answer.determinism != CUDNN_DETERMINISTIC) continue;
    if (answer.status == CUDNN_STATUS_SUCCESS && answer.memory <= kMaxConvolutionWorkspace)
      return {static_cast<int>(answer.algo), answer.mathType, answer.memory};
    lacks_memory |= cuda::lacks_memory(answer.status);
  }
  if (lacks_memory) throw Error(ErrorCode::OutOfMemory, std::string(pass) + ": no memory for cuDNN's workspace");
  throw Error(ErrorCode::Unsupported, std::string(pass) + ": cuDNN has no algorithm for this shape");
}

/// Whether a choice is adopted that says "algorithm arithmetic": where this may be used.
bool read(const std::optional<std::string>& text, cudnnMathType_t allowed, Choice& choice) {
  int math = 0;
  std::istringstream words(text.value_or(""));
  if (!(words >> choice.algorithm >> math)) return false;
  choice.math = static_cast<cudnnMathType_t>(math);
  return allowed != CUDNN_FMA_MATH || choice.math == CUDNN_FMA_MATH;
}

}  // namespace

struct LegacyConvolutions::Plan {
  ImageDescriptor x, y;
  Owned<cudnnFilterDescriptor_t, cudnnDestroyFilterDescriptor> w;
  Owned<cudnnConvolutionDescriptor_t, cudnnDestroyConvolutionDescriptor> convolution;
  cudnnMathType_t allowed;  // arithmetic that may be searched
  std::string question;
  size_t unconverted;  // bytes of a result in another type, at the workspace's beginning
  std::optional<Choice> choice;

  void use(cudnnMathType_t math) { MARGINCORE_CHECK(cudnnSetConvolutionMathType(convolution, math)); }
};

LegacyConvolutions::LegacyConvolutions(ConvolutionContext& context) : context_(context) {}

LegacyConvolutions::~LegacyConvolutions() = default;

LegacyConvolutions::Plan& LegacyConvolutions::plan(const ConvolutionCall& call) {
  // Adding to the result is another call of the same algorithm.
  ConvolutionCall overwriting = call;
  overwriting.adds = false;
  const std::string question = "legacy " + context_.question(overwriting);
  std::unique_ptr<Plan>& found = plans_[question];
  if (found) return *found;
  auto made = std::make_unique<Plan>();
  const cudnnDataType_t type = cudnn_type_of(call.operand_type());
  describe(made->x, call.x, type);
  describe(made->y, call.y, type);
  const auto size = [&](int axis) { return static_cast<int>(call.w.shape[axis]); };
  MARGINCORE_CHECK(cudnnCreateFilterDescriptor(made->w.to_create()));
  MARGINCORE_CHECK(cudnnSetFilter4dDescriptor(made->w, type, CUDNN_TENSOR_NHWC, size(0), size(3), size(1), size(2)));
  MARGINCORE_CHECK(cudnnCreateConvolutionDescriptor(made->convolution.to_create()));
  const Conv2d& conv = call.conv;
  MARGINCORE_CHECK(cudnnSetConvolution2dDescriptor(made->convolution, conv.padding, conv.padding, conv.stride,
                                                   conv.stride, 1, 1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
  MARGINCORE_CHECK(cudnnSetConvolutionGroupCount(made->convolution, conv.groups));
  // The default would allow TF32 for fp32 data.
  made->allowed = type == CUDNN_DATA_BFLOAT16 ? CUDNN_TENSOR_OP_MATH
                  : context_.allows_tf32      ? CUDNN_DEFAULT_MATH
                                              : CUDNN_FMA_MATH;
  made->question = question;
  // The result is of the type of its operands here.
  const bool direct = call.result().dtype == call.operand_type();
  made->unconverted = direct ? 0 : aligned_bytes(call.result().count(), call.operand_type());
  found = std::move(made);
  return *found;
}

void LegacyConvolutions::run(const ConvolutionCall& call) {
  Plan& p = plan(call);
  const Operand<ImageDescriptor> x{p.x, call.x.data}, y{p.y, call.y.data};
  const Operand<decltype(p.w)> w{p.w, call.w.data};
  switch (call.pass) {
    case ConvolutionPass::Forward: return run<ForwardFunctions>(call, x, w, y);
    case ConvolutionPass::BackwardData: return run<BackwardDataFunctions>(call, w, y, x);
    case ConvolutionPass::BackwardFilter: return run<BackwardFilterFunctions>(call, x, y, w);
  }
}

template <class Functions, class First, class Second, class Result>
void LegacyConvolutions::run(const ConvolutionCall& call, const First& first, const Second& second,
                             const Result& result) {
  Plan& p = plan(call);
  if (!p.choice) {
    context_.expect_eager(name_of(call.pass));
    choose<Functions>(p, call, first, second, result);
  }
  p.use(p.choice->math);
  char* space = static_cast<char*>(context_.workspace.take(p.unconverted + p.choice->workspace));
  void* made = p.unconverted > 0 ? space : result.data;
  MARGINCORE_QUEUE(context_.stream, Functions::convolve, context_.handle, &kOne, first.descriptor, first.data,
                   second.descriptor, second.data, p.convolution,
                   static_cast<typename Functions::Algorithm>(p.choice->algorithm), space + p.unconverted,
                   p.choice->workspace, call.adds ? &kOne : &kZero, result.descriptor, made);
  if (p.unconverted > 0)
    cuda::convert(call.result(), Tensor(space, call.operand_type(), call.result().shape), context_.stream);
}

template <class Functions, class First, class Second, class Result>
void LegacyConvolutions::choose(Plan& p, const ConvolutionCall& call, const First& first, const Second& second,
                                const Result& result) {
  using Algorithm = typename Functions::Algorithm;
  if (Choice known{}; read(context_.choices.find(p.question), p.allowed, known)) {
    p.use(known.math);
    if (Functions::workspace(context_.handle, first.descriptor, second.descriptor, p.convolution, result.descriptor,
                             static_cast<Algorithm>(known.algorithm), &known.workspace) == CUDNN_STATUS_SUCCESS &&
        known.workspace <= kMaxConvolutionWorkspace) {
      p.choice = known;
      return;
    }
  }
  p.use(p.allowed);
  int most = 0, count = 0;
  MARGINCORE_CHECK(Functions::count(context_.handle, &most));
  std::vector<typename Functions::Performance> answers(most);
  // A search writes results, and this one may hold what is to be added to. Without memory for another, no search.
  DeviceMemory other;
  void* written = p.unconverted > 0 ? context_.workspace.take(p.unconverted) : result.data;
  bool searches = !context_.deterministic;
  if (searches && call.adds) {
    searches = try_allocate(other, static_cast<size_t>(call.result().bytes()));
    written = other;
  }
  if (!searches) {
    MARGINCORE_CHECK(Functions::list(context_.handle, first.descriptor, second.descriptor, p.convolution,
                                     result.descriptor, most, &count, answers.data()));
    p.choice = first_usable(answers, count, context_.deterministic, name_of(call.pass));
    return;
  }
  const Trial trial;
  MARGINCORE_CHECK(cudaDeviceSynchronize());  // what other streams still do would be timed, too
  MARGINCORE_CHECK(Functions::find(context_.handle, first.descriptor, first.data, second.descriptor, second.data,
                                   p.convolution, result.descriptor, written, most, &count, answers.data(),
                                   trial.memory(), trial.bytes()));
  p.choice = first_usable(answers, count, false, name_of(call.pass));
  if (trial.is_whole())
    context_.choices.keep(p.question,
                          std::to_string(p.choice->algorithm) + " " + std::to_string(static_cast<int>(p.choice->math)));
}

}  // namespace margincore
