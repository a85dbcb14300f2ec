// Batch norm (Ioffe and Szegedy 2015) over the rows of x (rows, channels), with a sum and a ReLU behind it.
#pragma once

#include <cmath>

#include "backend/backend.h"
#include "reference/elementwise.h"
#include "reference/matrices.h"

namespace margincore::test::reference {

struct ChannelStats {
  Doubles mean, variance, unbiased_variance;  // (channels)
};

/// The unbiased variance of a single row is 0, as the biased one: there is nothing to estimate it from.
inline ChannelStats batch_norm_stats(const Doubles& x, int64_t rows, int64_t channels) {
  ChannelStats stats{column_sums(x, rows, channels), Doubles(channels, 0), Doubles(channels, 0)};
  for (double& mean : stats.mean) mean /= static_cast<double>(rows);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < channels; ++j) stats.variance[j] += std::pow(x[i * channels + j] - stats.mean[j], 2);
  for (int64_t j = 0; j < channels; ++j) {
    stats.unbiased_variance[j] = stats.variance[j] / static_cast<double>(rows > 1 ? rows - 1 : 1);
    stats.variance[j] /= static_cast<double>(rows);
  }
  return stats;
}

/// (x - mean) / sqrt(variance + epsilon)
inline Doubles normalized(Doubles x, const ChannelStats& stats, const BatchNorm& norm) {
  const size_t channels = stats.mean.size();
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = (x[i] - stats.mean[i % channels]) / std::sqrt(stats.variance[i % channels] + norm.epsilon);
  return x;
}

/// residual: shape of x, or empty.
inline Doubles batch_norm_apply(const Doubles& x, const ChannelStats& stats, const Doubles& gamma, const Doubles& beta,
                                const Doubles& residual, const BatchNorm& norm) {
  Doubles y = normalized(x, stats, norm);
  for (size_t i = 0; i < y.size(); ++i) {
    y[i] = gamma[i % gamma.size()] * y[i] + beta[i % beta.size()];
    if (!residual.empty()) y[i] += residual[i];
  }
  return norm.relu ? relu_forward(y) : y;
}

/// dx where the statistics are given, whatever x is: there is nothing but a factor for each channel.
inline Doubles batch_norm_backward_frozen(Doubles dy, const ChannelStats& stats, const Doubles& gamma,
                                          const BatchNorm& norm) {
  for (size_t i = 0; i < dy.size(); ++i)
    dy[i] *= gamma[i % gamma.size()] / std::sqrt(stats.variance[i % gamma.size()] + norm.epsilon);
  return dy;
}

struct BatchNormGradients {
  Doubles dx, dgamma, dbeta, dresidual;
};

/// By the chain rule, through x^ = (x - mean) / deviation, the variance and the mean, one after the other. y: what the
/// forward pass gave; without a ReLU it does not matter.
inline BatchNormGradients batch_norm_backward(const Doubles& dy, const Doubles& x, const Doubles& y,
                                              const ChannelStats& stats, const Doubles& gamma, const BatchNorm& norm) {
  const size_t channels = gamma.size(), rows = x.size() / channels;
  const Doubles x_hat = normalized(x, stats, norm);
  BatchNormGradients result;
  result.dresidual = norm.relu ? relu_backward(dy, y) : dy;
  result.dgamma = result.dbeta = Doubles(channels, 0);
  result.dx = Doubles(x.size());
  for (size_t j = 0; j < channels; ++j) {
    const double deviation = std::sqrt(stats.variance[j] + norm.epsilon);
    double dvariance = 0, dmean = 0;
    for (size_t i = j; i < x.size(); i += channels) {
      const double g = result.dresidual[i];
      result.dgamma[j] += g * x_hat[i];
      result.dbeta[j] += g;
      dvariance += g * gamma[j] * (x[i] - stats.mean[j]) * -0.5 / std::pow(deviation, 3);
      dmean -= g * gamma[j] / deviation;
    }
    for (size_t i = j; i < x.size(); i += channels)
      result.dx[i] = result.dresidual[i] * gamma[j] / deviation +
                     (dvariance * 2 * (x[i] - stats.mean[j]) + dmean) / static_cast<double>(rows);
  }
  return result;
}

}  // namespace margincore::test::reference
