// The CUDA backend that is linked into the test, so that the simulator can be asked about it.
#pragma once

#include <memory>

#include "backend/backend.h"
#include "statistics.h"

extern "C" const margincore::Plugin* margincore_plugin();

namespace margincore::test {

struct CloseBackend {
  void operator()(Backend* backend) const { backend->destroy(); }
};
using Opened = std::unique_ptr<Backend, CloseBackend>;

inline Opened open_cuda(bool deterministic, Precision precision = Precision::Fp32) {
  BackendOptions options{};
  options.deterministic = deterministic;
  options.precision = precision;
  Backend* backend = nullptr;
  check(margincore_plugin()->create(&backend, &options));
  return Opened(backend);
}

/// Of functions whose names begin so.
inline int64_t calls(const cuda_sim::Statistics& statistics, const std::string& prefix) {
  int64_t sum = 0;
  for (const auto& [name, count] : statistics.calls)
    if (name.rfind(prefix, 0) == 0) sum += count;
  return sum;
}

}  // namespace margincore::test
