#include "nn/centroids.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "base/rng.h"

namespace margincore {

namespace {

using Doubles = std::vector<double>;

double dot(const double* a, const double* b, int64_t size) {
  double sum = 0;
  for (int64_t k = 0; k < size; ++k) sum += a[k] * b[k];
  return sum;
}

void add_scaled(double* y, double factor, const double* x, int64_t size) {
  for (int64_t k = 0; k < size; ++k) y[k] += factor * x[k];
}

void normalize_rows(Doubles& rows, int64_t size) {
  for (auto row = rows.begin(); row != rows.end(); row += size) {
    const double length = std::sqrt(dot(&*row, &*row, size));
    std::for_each(row, row + size, [&](double& value) { value /= length; });
  }
}

/// Nearly normal: sums of four uniform numbers.
Doubles random_rows(int64_t count, int64_t size, uint64_t seed) {
  Doubles rows(count * size);
  for (size_t i = 0; i < rows.size(); ++i) {
    const Random4 random = philox(seed, RandomPurpose::Centroids, 0, i);
    for (uint32_t word : random.value) rows[i] += static_cast<double>(uniform01(word)) - 0.5;
  }
  return rows;
}

/// Gram-Schmidt, each row twice: once leaves the rounding of what it takes away.
void orthonormalize(Doubles& rows, int64_t count, int64_t size) {
  for (int64_t i = 0; i < count; ++i) {
    double* row = &rows[i * size];
    for (int pass = 0; pass < 2; ++pass)
      for (int64_t other = 0; other < i; ++other)
        add_scaled(row, -dot(row, &rows[other * size], size), &rows[other * size], size);
    const double length = std::sqrt(dot(row, row, size));
    for (int64_t k = 0; k < size; ++k) row[k] /= length;
  }
}

/// Vertices of a regular simplex around 0. In Helmert's basis q_0 … q_{C-2} of the space that it spans, vertex j is
/// sum_{k >= j} q_k / sqrt((k+1)(k+2)) - j q_{j-1} / sqrt(j(j+1)), up to its length.
Doubles simplex(int64_t count, int64_t size, uint64_t seed) {
  Doubles basis = random_rows(count - 1, size, seed);
  orthonormalize(basis, count - 1, size);
  Doubles vertices(count * size), tail(size, 0);
  for (int64_t j = count - 1; j >= 0; --j) {
    const auto number = static_cast<double>(j);
    if (j < count - 1) add_scaled(tail.data(), 1 / std::sqrt((number + 1) * (number + 2)), &basis[j * size], size);
    double* vertex = &vertices[j * size];
    std::copy(tail.begin(), tail.end(), vertex);
    if (j > 0) add_scaled(vertex, -number / std::sqrt(number * (number + 1)), &basis[(j - 1) * size], size);
  }
  normalize_rows(vertices, size);
  return vertices;
}

/// sum_{i<j} 1/|c_i - c_j|^2 of unit rows, and its gradient along the sphere.
double repulsion(const Doubles& rows, Doubles& gradient, int64_t count, int64_t size) {
  double energy = 0;
  std::fill(gradient.begin(), gradient.end(), 0);
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t j = 0; j < i; ++j) {
      // |c_i - c_j|^2 = 2 - 2 c_i·c_j: along the sphere only the direction of the other row counts.
      const double inverse = 1 / std::max(1e-12, 2 - 2 * dot(&rows[i * size], &rows[j * size], size));
      energy += inverse;
      add_scaled(&gradient[i * size], 2 * inverse * inverse, &rows[j * size], size);
      add_scaled(&gradient[j * size], 2 * inverse * inverse, &rows[i * size], size);
    }
  }
  for (int64_t i = 0; i < count; ++i) {
    const double* row = &rows[i * size];
    add_scaled(&gradient[i * size], -dot(&gradient[i * size], row, size), row, size);
  }
  return energy;
}

/// Steepest descent with Barzilai and Borwein's step lengths (1988); a step is taken where the energy stays below the
/// highest of the last kMemory. Done when those differ by less than kTolerance: there are many minima that are as good.
Doubles spread_out(int64_t count, int64_t size, uint64_t seed) {
  constexpr size_t kMemory = 10;
  constexpr double kTolerance = 1e-7;
  Doubles rows = random_rows(count, size, seed);
  normalize_rows(rows, size);
  const auto entries = static_cast<int64_t>(rows.size());
  Doubles gradient(entries), next(entries), next_gradient(entries);
  std::deque<double> energies = {repulsion(rows, gradient, count, size)};
  double step = 0.01 / std::sqrt(dot(gradient.data(), gradient.data(), entries));
  while (step > 1e-18 && std::isfinite(step)) {  // on a line there is nowhere to go: no gradient, an endless step
    const auto [lowest, highest] = std::minmax_element(energies.begin(), energies.end());
    if (energies.size() == kMemory && *highest - *lowest < kTolerance * *lowest) break;
    next = rows;
    add_scaled(next.data(), -step, gradient.data(), entries);
    normalize_rows(next, size);
    const double energy = repulsion(next, next_gradient, count, size);
    if (energy > *highest) {
      step /= 4;
      continue;
    }
    double moved = 0, curvature = 0;
    for (int64_t i = 0; i < entries; ++i) {
      moved += (next[i] - rows[i]) * (next[i] - rows[i]);
      curvature += (next[i] - rows[i]) * (next_gradient[i] - gradient[i]);
    }
    step = curvature > 0 ? moved / curvature : 2 * step;
    rows.swap(next);
    gradient.swap(next_gradient);
    energies.push_back(energy);
    if (energies.size() > kMemory) energies.pop_front();
  }
  return rows;
}

}  // namespace

std::vector<float> centroids(int64_t count, int64_t size, uint64_t seed) {
  if (count == 1) {
    Doubles row = random_rows(1, size, seed);
    normalize_rows(row, size);
    return {row.begin(), row.end()};
  }
  const Doubles rows = size >= count - 1 ? simplex(count, size, seed) : spread_out(count, size, seed);
  return {rows.begin(), rows.end()};
}

}  // namespace margincore
