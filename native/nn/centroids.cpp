#include "nn/centroids.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <numeric>
#include <vector>

#include "base/rng.h"
#include "nn/double_rows.h"

namespace margincore {

namespace {

/// Room for numbers, not set: its pages are first touched where they are filled, a piece at a time and on all threads.
class Doubles {
 public:
  explicit Doubles(int64_t size) : size_(size), values_(std::make_unique_for_overwrite<double[]>(size)) {}

  int64_t size() const { return size_; }
  double* data() { return values_.get(); }
  const double* data() const { return values_.get(); }
  double& operator[](int64_t i) { return values_[i]; }
  const double& operator[](int64_t i) const { return values_[i]; }
  void swap(Doubles& other) { values_.swap(other.values_); }  // of as many

 private:
  int64_t size_;
  std::unique_ptr<double[]> values_;
};

constexpr int64_t kOperationsPerPiece = 1 << 23;  // of one thread, between two looks at whether it is still wanted
constexpr int64_t kFewestPerPiece = 1 << 20;      // to start a thread for less costs more than it brings
constexpr int64_t kEntriesPerPiece = 1 << 18;     // of passes over all entries, which memory holds up
constexpr int64_t kFewestEvaluations = 30;

/// Rows that make a piece, where one takes so many operations.
int64_t rows_per_piece(int64_t operations) { return std::max<int64_t>(1, kOperationsPerPiece / operations); }
/// So many, or as many more as it takes to be worth a thread.
int64_t at_least(int64_t rows, int64_t operations) { return std::max(rows, kFewestPerPiece / operations); }

/// The sum over i of of_range(begin, end), of ranges that do not depend on threads: nor does then the rounding.
template <class OfRange>
double sum_over(int64_t count, const Work& work, const OfRange& of_range) {
  std::vector<double> sums((count + kEntriesPerPiece - 1) / kEntriesPerPiece);
  work.in_parallel(count, kEntriesPerPiece,
                   [&](int64_t begin, int64_t end) { sums[begin / kEntriesPerPiece] = of_range(begin, end); });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

void normalize_rows(Doubles& rows, int64_t size, const Work& work) {
  const int64_t count = rows.size() / size;
  work.in_parallel(count, rows_per_piece(4 * size), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      double* row = &rows[i * size];
      const double length = std::sqrt(dot(row, row, size));
      for (int64_t k = 0; k < size; ++k) row[k] /= length;
    }
  });
}

/// Nearly normal: sums of four uniform numbers.
Doubles random_rows(int64_t count, int64_t size, uint64_t seed, const Work& work) {
  Doubles rows(count * size);
  work.in_parallel(count * size, 1 << 17, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Random4 random = philox(seed, RandomPurpose::Centroids, 0, i);
      rows[i] = 0;
      for (uint32_t word : random.value) rows[i] += static_cast<double>(uniform01(word)) - 0.5;
    }
  });
  return rows;
}

/// Gram-Schmidt, each row twice: once leaves the rounding of what it takes away. Rows of a block leave the rows before
/// it out side by side, and one another in turn.
void orthonormalize(Doubles& rows, int64_t count, int64_t size, const Work& work) {
  constexpr int64_t kBlock = 64, kTogether = 8;
  const auto row = [&](int64_t i) { return &rows[i * size]; };
  for (int64_t first = 0; first < count; first += kBlock) {
    const int64_t last = std::min(first + kBlock, count);
    const int64_t together = at_least(kTogether, 8 * std::max<int64_t>(1, first) * size);
    work.in_parallel(last - first, together, [&](int64_t begin, int64_t end) {
      for (int pass = 0; pass < 2; ++pass) {
        work.in_pieces(first, rows_per_piece(4 * size * (end - begin)), [&](int64_t from, int64_t until) {
          for (int64_t other = from; other < until; ++other)
            leave_out(row(first + begin), end - begin, row(other), size);
        });
      }
      work.advance(8 * first * size * (end - begin));
    });
    for (int64_t i = first; i < last; ++i) {
      work.expect_wanted();
      for (int pass = 0; pass < 2; ++pass)
        for (int64_t other = first; other < i; ++other) leave_out(row(i), 1, row(other), size);
      const double length = std::sqrt(dot(row(i), row(i), size));
      for (int64_t k = 0; k < size; ++k) row(i)[k] /= length;
      work.advance(8 * (i - first) * size);
    }
  }
}

/// Vertices of a regular simplex around 0. In Helmert's basis q_0 … q_{C-2} of the space that it spans, vertex j is
/// sum_{k >= j} q_k / sqrt((k+1)(k+2)) - j q_{j-1} / sqrt(j(j+1)), up to its length.
Doubles simplex(int64_t count, int64_t size, uint64_t seed, const Work& work) {
  Doubles basis = random_rows(count - 1, size, seed, work);
  orthonormalize(basis, count - 1, size, work);
  Doubles vertices(count * size);
  std::vector<double> tail(size, 0);
  for (int64_t j = count - 1; j >= 0; --j) {
    work.expect_wanted();
    const auto number = static_cast<double>(j);
    if (j < count - 1) add_scaled(tail.data(), 1 / std::sqrt((number + 1) * (number + 2)), &basis[j * size], size);
    double* vertex = &vertices[j * size];
    std::copy(tail.begin(), tail.end(), vertex);
    if (j > 0) add_scaled(vertex, -number / std::sqrt(number * (number + 1)), &basis[(j - 1) * size], size);
  }
  normalize_rows(vertices, size, work);
  work.advance(4 * count * count * size - 4 * (count - 1) * (count - 2) * size);  // all that is not Gram-Schmidt
  return vertices;
}

/// sum_{i<j} 1/|c_i - c_j|^2 of unit rows, and its gradient along the sphere.
double repulsion(const Doubles& rows, Doubles& gradient, int64_t count, int64_t size, const Work& work) {
  constexpr int64_t kTogether = 16;  // rows that meet another while that lies in the cache
  std::vector<double> energies(count, 0);
  const int64_t of_row = 4 * count * size;
  const int64_t piece = at_least(std::min(kTogether, rows_per_piece(of_row)), of_row);
  work.in_parallel(count, piece, [&](int64_t begin, int64_t end) {
    double* of_piece = &gradient[begin * size];
    std::fill(of_piece, of_piece + (end - begin) * size, 0);
    work.in_pieces(count, rows_per_piece(4 * (end - begin) * size), [&](int64_t from, int64_t until) {
      for (int64_t j = from; j < until; ++j) repel(of_piece, &energies[begin], rows.data(), {begin, end, j, size});
    });
    for (int64_t i = begin; i < end; ++i) {
      const double* row = &rows[i * size];
      add_scaled(&gradient[i * size], -dot(&gradient[i * size], row, size), row, size);
    }
    work.advance(4 * (end - begin) * count * size);
  });
  return std::accumulate(energies.begin(), energies.end(), 0.0);
}

/// next = rows - step gradient, of unit length.
void take_step(const Doubles& rows, const Doubles& gradient, double step, int64_t size, Doubles& next,
               const Work& work) {
  work.in_parallel(rows.size(), kEntriesPerPiece, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) next[i] = rows[i] - step * gradient[i];
  });
  normalize_rows(next, size, work);
}

/// To single precision.
std::vector<float> rounded(const Doubles& rows, const Work& work) {
  std::vector<float> values;
  values.reserve(rows.size());
  work.in_pieces(rows.size(), kEntriesPerPiece, [&](int64_t begin, int64_t end) {
    values.insert(values.end(), rows.data() + begin, rows.data() + end);
  });
  return values;
}

int64_t most_evaluations(int64_t count, int64_t size, int64_t most_operations) {
  const double operations = 4.0 * static_cast<double>(count) * static_cast<double>(count) * static_cast<double>(size);
  return std::max(kFewestEvaluations, static_cast<int64_t>(static_cast<double>(most_operations) / operations));
}

/// Steepest descent with Barzilai and Borwein's step lengths (1988); a step is taken where the energy stays below the
/// highest of the last kMemory. Done when those differ by less than kTolerance: there are many minima that are as good.
Doubles spread_out(int64_t count, int64_t size, uint64_t seed, const Work& work, int64_t most_operations) {
  constexpr size_t kMemory = 10;
  constexpr double kTolerance = 1e-7;
  Doubles rows = random_rows(count, size, seed, work);
  normalize_rows(rows, size, work);
  const int64_t entries = rows.size();
  Doubles gradient(entries), next(entries), next_gradient(entries);
  std::deque<double> energies = {repulsion(rows, gradient, count, size, work)};
  double step = 0.01 / std::sqrt(sum_over(entries, work, [&](int64_t begin, int64_t end) {
                  return dot(&gradient[begin], &gradient[begin], end - begin);
                }));
  int64_t left = most_evaluations(count, size, most_operations) - 1;
  // On a line there is nowhere to go: no gradient, an endless step.
  for (; left > 0 && step > 1e-18 && std::isfinite(step); --left) {
    const auto [lowest, highest] = std::minmax_element(energies.begin(), energies.end());
    if (energies.size() == kMemory && *highest - *lowest < kTolerance * *lowest) break;
    take_step(rows, gradient, step, size, next, work);
    const double energy = repulsion(next, next_gradient, count, size, work);
    if (energy > *highest) {
      step /= 4;
      continue;
    }
    const double moved = sum_over(entries, work, [&](int64_t begin, int64_t end) {
      double sum = 0;
      for (int64_t i = begin; i < end; ++i) sum += (next[i] - rows[i]) * (next[i] - rows[i]);
      return sum;
    });
    const double curvature = sum_over(entries, work, [&](int64_t begin, int64_t end) {
      double sum = 0;
      for (int64_t i = begin; i < end; ++i) sum += (next[i] - rows[i]) * (next_gradient[i] - gradient[i]);
      return sum;
    });
    step = curvature > 0 ? moved / curvature : 2 * step;
    rows.swap(next);
    gradient.swap(next_gradient);
    energies.push_back(energy);
    if (energies.size() > kMemory) energies.pop_front();
  }
  work.advance(left * 4 * count * count * size);  // that were not needed
  return rows;
}

}  // namespace

int64_t centroid_work(int64_t count, int64_t size) {
  if (count == 1) return 0;
  if (size >= count - 1) return 4 * count * count * size;
  return most_evaluations(count, size, kMaxCentroidWork) * 4 * count * count * size;
}

std::vector<float> centroids(int64_t count, int64_t size, uint64_t seed, const Work& work, int64_t most_operations) {
  if (count == 1) {
    Doubles row = random_rows(1, size, seed, work);
    normalize_rows(row, size, work);
    return rounded(row, work);
  }
  const Doubles rows =
      size >= count - 1 ? simplex(count, size, seed, work) : spread_out(count, size, seed, work, most_operations);
  return rounded(rows, work);
}

size_t centroid_bytes(int64_t count, int64_t size) {
  const bool is_simplex = size >= count - 1;
  // A simplex and its basis; or the rows, the next ones, and the gradients of both, which end before the result begins.
  const size_t searched = (is_simplex ? 2 : 4) * sizeof(double), finished = sizeof(double) + sizeof(float);
  return static_cast<size_t>(count) * static_cast<size_t>(size) * std::max(searched, finished);
}

}  // namespace margincore
