// Center loss (Wen et al. 2016, eq. 2 to 4): the distance of each sample to its class's centre, and the centres' step.
#pragma once

#include "support/arrays.h"

namespace margincore::test::reference {

/// weight/2 * mean |x_i - c_y|^2, for x (rows, size) and centers (classes, size).
inline double center_loss(const Doubles& x, const Doubles& centers, const Ints& labels, double weight, int64_t size) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double difference = x[i] - centers[labels[i / size] * size + i % size];
    sum += difference * difference;
  }
  return weight / 2 * sum / static_cast<double>(labels.size());
}

inline Doubles center_gradient(Doubles x, const Doubles& centers, const Ints& labels, double weight, int64_t size) {
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] -= centers[labels[i / size] * size + i % size];
    x[i] *= weight / static_cast<double>(labels.size());
  }
  return x;
}

/// c_j - rate * sum_{y_i = j} (c_j - x_i) / (1 + n_j)
inline Doubles center_update(const Doubles& centers, const Doubles& x, const Ints& labels, double rate, int64_t size) {
  Doubles moved = centers;
  for (size_t at = 0; at < centers.size(); ++at) {
    double count = 0, differences = 0;
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] != static_cast<int32_t>(at / size)) continue;
      count += 1;
      differences += centers[at] - x[i * size + at % size];
    }
    moved[at] -= rate * differences / (1 + count);
  }
  return moved;
}

}  // namespace margincore::test::reference
