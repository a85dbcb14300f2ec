// Whether this build has code for the card: asked before anything is launched.
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.h"

namespace margincore::cuda {

namespace {

MARGINCORE_KERNEL nothing_kernel() {}

}  // namespace

cudaError_t probe_kernels() {
  cudaFuncAttributes attributes;
  const cudaError_t error = cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(&nothing_kernel));
  cudaGetLastError();  // not to be met again by a later call
  return error;
}

}  // namespace margincore::cuda
