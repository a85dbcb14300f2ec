// Scaled batch norm of logits (Zhu et al. 2020, eq. 9): z^ = scale * (u - E[u]) / sqrt(Var[u] + epsilon), per class
// over the batch. E and Var are those of the logits u without margin; a margin moves u before it is normalised by them.
#pragma once

#include "reference/margin_softmax.h"

namespace margincore::test::reference {

struct ColumnStats {
  Doubles mean, variance;  // (columns)
};

/// Mean and biased variance of u_ij = p_ij / column_norms_j; of p itself where there are no norms.
inline ColumnStats column_stats(const Doubles& p, const Doubles& column_norms, int64_t rows, int64_t columns) {
  const Doubles u = scale_logits(p, {}, column_norms, {}, {}, rows, columns);
  ColumnStats stats{column_sums(u, rows, columns), Doubles(columns, 0)};
  for (double& mean : stats.mean) mean /= static_cast<double>(rows);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      const double difference = u[i * columns + j] - stats.mean[j];
      stats.variance[j] += difference * difference / static_cast<double>(rows);
    }
  return stats;
}

/// The normalisation as the definition has it.
inline Doubles scaled_bn(Doubles u, const ColumnStats& stats, const ScaledBn& norm, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      double& value = u[i * columns + j];
      value = norm.scale * (value - stats.mean[j]) / std::sqrt(stats.variance[j] + norm.epsilon);
    }
  return u;
}

struct Folded {
  Doubles scale, shift;  // (columns)
};

/// The same as z^ = scale * u + shift.
inline Folded scaled_bn_fold(const ColumnStats& stats, const ScaledBn& norm) {
  Folded folded;
  for (size_t j = 0; j < stats.mean.size(); ++j) {
    folded.scale.push_back(norm.scale / std::sqrt(stats.variance[j] + norm.epsilon));
    folded.shift.push_back(-norm.scale * stats.mean[j] / std::sqrt(stats.variance[j] + norm.epsilon));
  }
  return folded;
}

/// Norms that the products are divided by, or none.
inline Doubles column_norms(const MarginSoftmaxProblem& p) {
  return p.head.normalize_weights ? row_norms(p.class_weights, p.classes, p.size) : Doubles();
}

/// The problem with the factors and shifts that its own logits without margin ask for.
inline MarginSoftmaxProblem with_scaled_bn(MarginSoftmaxProblem p, const ScaledBn& norm) {
  const Folded folded = scaled_bn_fold(column_stats(products(p), column_norms(p), p.rows, p.classes), norm);
  p.class_scale = folded.scale;
  p.class_shift = folded.shift;
  return p;
}

/// dp and beside it what goes through the statistics; z^ and dz = d loss / d z^ are as they enter the softmax, with
/// margin. By the chain rule: z^ = a t + b, where t is u, moved by the margin in the target's column;
/// a = scale / sqrt(variance + epsilon), b = -a mean.
inline Doubles scaled_bn_backward(Doubles dp, const Doubles& p, const Doubles& dz, const Doubles& z,
                                  const ColumnStats& stats, const Doubles& column_norms, const ScaledBn& norm,
                                  int64_t rows, int64_t columns) {
  const Doubles u = scale_logits(p, {}, column_norms, {}, {}, rows, columns);
  const Folded folded = scaled_bn_fold(stats, norm);
  for (int64_t j = 0; j < columns; ++j) {
    const double a = folded.scale[j], b = folded.shift[j], mean = stats.mean[j];
    double da = 0, db = 0;
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t at = i * columns + j;
      da += dz[at] * (z[at] - b) / a;
      db += dz[at];
    }
    const double dmean = -a * db;
    const double dvariance = (da - mean * db) * a / (-2 * (stats.variance[j] + norm.epsilon));
    const double length = column_norms.empty() ? 1 : column_norms[j];
    for (int64_t i = 0; i < rows && length > 0; ++i) {
      const int64_t at = i * columns + j;
      const double du = (dmean + 2 * (u[at] - mean) * dvariance) / static_cast<double>(rows);
      dp[at] += du / length;
    }
  }
  return dp;
}

/// As PyTorch's batch norm keeps its running statistics.
inline Doubles running_average(Doubles running, const Doubles& current, double momentum, double factor) {
  for (size_t j = 0; j < running.size(); ++j) running[j] = (1 - momentum) * running[j] + momentum * factor * current[j];
  return running;
}

}  // namespace margincore::test::reference
