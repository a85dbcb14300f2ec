// Loops over rows of doubles, for centroids: on wide vectors where the processor has them, with the same bits
// everywhere. Sums run in eight lanes whatever the vectors' width, and products are not contracted with sums.
#pragma once

#include <cstdint>

namespace margincore {

double dot(const double* a, const double* b, int64_t size);

/// y += factor * x
void add_scaled(double* y, double factor, const double* x, int64_t size);

/// Each of `count` rows loses its part along the unit row.
void leave_out(double* rows, int64_t count, const double* unit, int64_t size);

/// Rows begin…end, all but row j itself, and row j.
struct Meeting {
  int64_t begin, end, j, size;
};

/// Of sum_{i<j} 1/|c_i - c_j|^2 over unit rows: what row j adds to the gradients of rows begin…end, but for their
/// radial part, and as i to the energies.
void repel(double* gradients, double* energies, const double* rows, const Meeting& meeting);

}  // namespace margincore
