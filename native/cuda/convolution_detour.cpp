#include "cuda/convolution_detour.h"

#include "cuda/convolution_context.h"
#include "cuda/kernels/kernels.h"

namespace margincore {

namespace {

int64_t channels_of(const Tensor& t) { return t.shape[3]; }
int64_t padded_channels(const Tensor& t) { return 16 / size_of(t.dtype); }

Tensor padded(const Tensor& t, void* memory) {
  return {memory, t.dtype, {t.shape[0], t.shape[1], t.shape[2], padded_channels(t)}};
}

size_t padded_bytes(const Tensor& t) { return aligned_bytes(padded(t, nullptr).count(), t.dtype); }

bool is_padded(const Tensor& t, const Tensor& made) { return channels_of(t) != channels_of(made); }

}  // namespace

bool may_take(Detour detour, const ConvolutionCall& call) {
  const bool converts = call.result().dtype != call.operand_type();
  switch (detour) {
    case Detour::None: return true;
    case Detour::Converted: return converts;
    // Images get no gradient.
    case Detour::Padded:
      return !converts && call.pass != ConvolutionPass::BackwardData && call.conv.groups == 1 &&
             channels_of(call.x) < padded_channels(call.x);
  }
  return false;
}

size_t bytes_of(Detour detour, const ConvolutionCall& call) {
  switch (detour) {
    case Detour::None: return 0;
    case Detour::Converted: return aligned_bytes(call.result().count(), call.operand_type());
    case Detour::Padded: return padded_bytes(call.x) + padded_bytes(call.w);
  }
  return 0;
}

ConvolutionCall on_detour(Detour detour, const ConvolutionCall& call, void* workspace) {
  ConvolutionCall made = call;
  if (detour == Detour::Converted) made.result() = {workspace, call.operand_type(), call.result().shape};
  if (detour == Detour::Padded) {
    made.x = padded(call.x, workspace);
    made.w = padded(call.w, workspace == nullptr ? nullptr : static_cast<char*>(workspace) + padded_bytes(call.x));
  }
  return made;
}

void prepare(const ConvolutionCall& call, const ConvolutionCall& made, cudaStream_t stream) {
  if (!is_padded(call.x, made.x)) return;
  cuda::pad_channels(made.x, call.x, stream);
  if (call.pass == ConvolutionPass::Forward) cuda::pad_channels(made.w, call.w, stream);
}

void finish(const ConvolutionCall& call, const ConvolutionCall& made, cudaStream_t stream) {
  if (made.result().dtype != call.result().dtype) cuda::convert(call.result(), made.result(), stream);
  else if (is_padded(call.result(), made.result())) cuda::concat_read(call.result(), made.result(), 0, stream);
}

}  // namespace margincore
