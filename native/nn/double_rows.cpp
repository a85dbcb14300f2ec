#include "nn/double_rows.h"

#include <algorithm>

// Inlined into a function for each instruction set, and compiled for it there.
#define MARGINCORE_INLINED [[gnu::always_inline]] static inline

namespace margincore {

namespace {

MARGINCORE_INLINED double dot_of(const double* a, const double* b, int64_t size) {
  constexpr int kLanes = 8;
  double lanes[kLanes] = {};
  int64_t k = 0;
  for (; k + kLanes <= size; k += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += a[k + lane] * b[k + lane];
  for (int lane = 0; k + lane < size; ++lane) lanes[lane] += a[k + lane] * b[k + lane];
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

MARGINCORE_INLINED void add_scaled_to(double* __restrict y, double factor, const double* __restrict x, int64_t size) {
  for (int64_t k = 0; k < size; ++k) y[k] += factor * x[k];
}

MARGINCORE_INLINED void leave_out_of(double* rows, int64_t count, const double* unit, int64_t size) {
  for (double* row = rows; row < rows + count * size; row += size)
    add_scaled_to(row, -dot_of(row, unit, size), unit, size);
}

MARGINCORE_INLINED void repel_by(double* gradients, double* energies, const double* rows, const Meeting& m) {
  const double* other = rows + m.j * m.size;
  for (int64_t i = m.begin; i < m.end; ++i) {
    if (i == m.j) continue;
    // |c_i - c_j|^2 = 2 - 2 c_i·c_j: along the sphere only the direction of the other row counts.
    const double inverse = 1 / std::max(1e-12, 2 - 2 * dot_of(rows + i * m.size, other, m.size));
    if (m.j < i) energies[i - m.begin] += inverse;
    add_scaled_to(gradients + (i - m.begin) * m.size, 2 * inverse * inverse, other, m.size);
  }
}

struct Loops {
  void (*leave_out)(double*, int64_t, const double*, int64_t);
  void (*repel)(double*, double*, const double*, const Meeting&);
};

#define MARGINCORE_FOR(NAME, TARGET)                                                                   \
  [[gnu::target(TARGET)]] void leave_out_##NAME(double* r, int64_t n, const double* u, int64_t s) {    \
    leave_out_of(r, n, u, s);                                                                          \
  }                                                                                                    \
  [[gnu::target(TARGET)]] void repel_##NAME(double* g, double* e, const double* r, const Meeting& m) { \
    repel_by(g, e, r, m);                                                                              \
  }                                                                                                    \
  constexpr Loops k_##NAME = {leave_out_##NAME, repel_##NAME};

MARGINCORE_FOR(avx512, "avx512f,prefer-vector-width=512")
MARGINCORE_FOR(avx2, "avx2")
MARGINCORE_FOR(sse2, "sse2")
#undef MARGINCORE_FOR

const Loops& loops() {
  static const Loops& best = __builtin_cpu_supports("avx512f") ? k_avx512
                             : __builtin_cpu_supports("avx2")  ? k_avx2
                                                               : k_sse2;
  return best;
}

}  // namespace

double dot(const double* a, const double* b, int64_t size) { return dot_of(a, b, size); }

void add_scaled(double* y, double factor, const double* x, int64_t size) { add_scaled_to(y, factor, x, size); }

void leave_out(double* rows, int64_t count, const double* unit, int64_t size) {
  loops().leave_out(rows, count, unit, size);
}

void repel(double* gradients, double* energies, const double* rows, const Meeting& meeting) {
  loops().repel(gradients, energies, rows, meeting);
}

}  // namespace margincore
