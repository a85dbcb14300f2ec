#include "cuda/convolution.h"

#include <cctype>
#include <cstdlib>
#include <string_view>

namespace margincore {

namespace {

/// Which of cuDNN's interfaces the environment asks for, so that they can be compared.
enum class Api { Any, Graph, Legacy };

Api asked_api() {
  const char* asked = std::getenv("MARGINCORE_CUDNN_API");
  const std::string_view name = asked == nullptr ? "" : asked;
  if (name.empty()) return Api::Any;
  if (name == "graph") return Api::Graph;
  if (name == "legacy") return Api::Legacy;
  throw Error(ErrorCode::InvalidOption,
              "MARGINCORE_CUDNN_API is \"" + std::string(name) + "\": \"graph\" or \"legacy\" is expected");
}

/// Of all that decides about speed: another card, driver or cuDNN chooses anew. A search among simulated engines means
/// nothing, so it is kept only where a test asks for it.
ChoiceCache choices_for(const BackendInfo& card) {
  const std::filesystem::path folder = choice_folder(card.simulated == 0);
  if (folder.empty()) return {};
  std::string file = card.description;
  for (char& letter : file)
    if (std::isalnum(static_cast<unsigned char>(letter)) == 0) letter = '_';
  int driver = 0;
  MARGINCORE_CHECK(cudaDriverGetVersion(&driver));
  return {folder / ("convolutions_" + file + ".txt"), std::string(card.description) + ", driver " +
                                                          std::to_string(driver) + ", cuDNN " +
                                                          std::to_string(cudnnGetVersion())};
}

void expect_few(const Tensor& tensor) {
  if (tensor.count() > INT32_MAX)
    throw Error(ErrorCode::Unsupported, "a tensor of " + std::to_string(tensor.count()) +
                                            " values: cuDNN takes fewer than 2^31. Make the batch smaller");
}

}  // namespace

CudaConvolutions::CudaConvolutions(cudaStream_t stream, CudaWorkspace& workspace, const BackendOptions& options,
                                   const BackendInfo& card)
    : context_{stream,
               workspace,
               {},
               options.deterministic != 0,
               options.precision == Precision::Tf32,
               // What timing found must not decide about bits.
               options.deterministic != 0 ? ChoiceCache() : choices_for(card)} {
  MARGINCORE_CREATE(cudnnCreate(context_.handle.to_create()));
  MARGINCORE_CHECK(cudnnSetStream(context_.handle, stream));
  const Api api = asked_api();
  if (api != Api::Legacy) graphs_.emplace(context_);
  if (api != Api::Graph) legacy_.emplace(context_);
}

void CudaConvolutions::run(const ConvolutionCall& call) {
  for (const Tensor& tensor : {call.x, call.w, call.y}) expect_few(tensor);
  if (graphs_ && graphs_->run(call)) return;
  if (!legacy_)
    throw Error(ErrorCode::Unsupported, "MARGINCORE_CUDNN_API is \"graph\", which has no plan for " + to_string(call));
  legacy_->run(call);
}

void CudaConvolutions::forward(Tensor y, Tensor x, Tensor w, Conv2d conv) {
  run({ConvolutionPass::Forward, x, w, y, conv});
}

void CudaConvolutions::backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv, bool adds) {
  run({ConvolutionPass::BackwardData, dx, w, dy, conv, adds});
}

void CudaConvolutions::backward_filter(Tensor dw, Tensor dy, Tensor x, Conv2d conv) {
  run({ConvolutionPass::BackwardFilter, x, dw, dy, conv});
}

}  // namespace margincore
