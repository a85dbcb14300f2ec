// What the functions of the CUDA runtime begin and end with.
#pragma once

#include "api.h"

namespace margincore::cuda_sim {

inline thread_local cudaError_t last_error = cudaSuccess;

template <class Body>
cudaError_t runtime(const char* function, Body body, On device = On::WorkingDevice) {
  const cudaError_t error = answer(function, cudaErrorLaunchFailure, body, device);
  if (error != cudaSuccess) last_error = error;
  return error;
}

inline void require(const void* output) {
  if (output == nullptr) refuse(cudaErrorInvalidValue, "an output is null");
}

/// Also what CUDA does behind the caller's back in some calls.
template <class Finish>
void synchronize(Finish finish) {
  ++counters().synchronizations;
  finish();
}

}  // namespace margincore::cuda_sim
