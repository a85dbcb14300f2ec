#include "cpu/cpu_backend.h"

#include <omp.h>
#include <pmmintrin.h>

#include <cstdio>

#include "base/process_limits.h"
#include "cpu/convolution.h"
#include "cpu/matmul.h"

namespace margincore {

CpuBackend::CpuBackend(const BackendOptions& options)
    : loops_(choose_loops()),
      matmul_(std::make_unique<Matmul>(scratch_)),
      convolutions_(std::make_unique<Convolutions>(loops_, *matmul_, scratch_)) {
  if (options.precision == Precision::Bf16 && !onednn::multiplies_bf16())
    throw Error(ErrorCode::Unsupported,
                "precision bf16 needs a processor with AVX512_BF16 or AMX instructions: this one has neither, or "
                "ONEDNN_MAX_CPU_ISA rules them out");
  const int threads = options.threads > 0 ? options.threads : usable_cores();
  // Applies to the calling thread alone: the one that will run this backend's operations.
  omp_set_num_threads(threads);
  omp_set_dynamic(0);
  // Numbers below 1e-38 count as 0: Adam's moments decay into that range, where the processor is many times slower.
#pragma omp parallel
  _mm_setcsr(_mm_getcsr() | _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON);
  info_ = describe(threads);
}

CpuBackend::~CpuBackend() = default;

BackendInfo CpuBackend::describe(int threads) {
  BackendInfo info{};
  std::snprintf(info.device, sizeof info.device, "cpu");
  std::snprintf(info.version, sizeof info.version, "%s", onednn::version().c_str());
  std::snprintf(info.description, sizeof info.description, "%s", choose_loops().instruction_set);
  info.threads = threads;
  info.bf16 = onednn::multiplies_bf16() ? 1 : 0;
  info.recomputes = 1;
  info.devices = 1;
  info.host_memory = 1;
  return info;
}

std::vector<std::string> CpuBackend::implementations() const {
  std::vector<std::string> names;
  convolutions_->append_names(names);
  matmul_->append_names(names);
  return names;
}

}  // namespace margincore
