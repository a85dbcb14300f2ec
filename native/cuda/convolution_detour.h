// What a plan may do around cuDNN's engine: give it its operands, or take its result, in another form, which lies at the
// beginning of the workspace.
#pragma once

#include <cstddef>

#include "cuda/convolution_call.h"
#include "cuda/owned.h"

namespace margincore {

enum class Detour {
  None,
  Converted,  // the gradient of weights in its operands' type, and then in its own
  Padded,     // the few channels of images made up to 16 bytes with zeros: aligned loads, and tensor cores
};
inline constexpr Detour kDetours[] = {Detour::None, Detour::Converted, Detour::Padded};

/// Whether there is a point in it.
bool may_take(Detour detour, const ConvolutionCall& call);
/// Of workspace, before what the engine needs.
size_t bytes_of(Detour detour, const ConvolutionCall& call);
/// The call as the engine has it; without a workspace its shapes alone.
ConvolutionCall on_detour(Detour detour, const ConvolutionCall& call, void* workspace);
/// Queues what makes the engine's operands.
void prepare(const ConvolutionCall& call, const ConvolutionCall& made, cudaStream_t stream);
/// Queues what makes the call's result of the engine's.
void finish(const ConvolutionCall& call, const ConvolutionCall& made, cudaStream_t stream);

}  // namespace margincore
