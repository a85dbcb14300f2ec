#include <cstdlib>
#include <cstring>

#include "cpu/loops.h"

namespace margincore {

const Loops& choose_loops() {
  __builtin_cpu_init();
  const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  // A lower set can be asked for, to compare or to rule out a compiler's fault; a higher one than the processor has, not.
  const char* asked = std::getenv("MARGINCORE_CPU_ISA");
  const bool limit_v2 = asked != nullptr && std::strcmp(asked, "x86-64-v2") == 0;
  const bool limit_v3 = asked != nullptr && std::strcmp(asked, "x86-64-v3") == 0;
  if (v4 && !limit_v2 && !limit_v3) return x86_64_v4::loops;
  if (v3 && !limit_v2) return x86_64_v3::loops;
  return x86_64_v2::loops;
}

}  // namespace margincore
