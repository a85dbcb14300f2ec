// Softmax cross-entropy over logits whose target carries a margin (loss as PyTorch's cross_entropy defines it, with
// class weights and label smoothing), and its gradient in the parts that the seam asks for.
#pragma once

#include "backend/backend.h"
#include "reference/margin.h"
#include "reference/matrices.h"
#include "reference/rows.h"

namespace margincore::test::reference {

struct MarginSoftmaxProblem {
  int64_t rows, classes, size;
  Doubles features = {};       // (rows, size)
  Doubles class_weights = {};  // (classes, size)
  Ints labels = {};            // (rows)
  MarginSoftmax head = {};
  double lambda = 0, ramp = 1;
  Doubles class_scale = {}, class_shift = {}, loss_weights = {};  // (classes) each, or empty
  Ints mixed_labels = {};                                         // (rows) second labels, or empty
  Doubles mixed_share = {};                                       // (rows) of these

  double scale_of(int64_t j) const { return class_scale.empty() ? 1 : class_scale[j]; }
  double shift_of(int64_t j) const { return class_shift.empty() ? 0 : class_shift[j]; }
  double weight_of(int64_t j) const { return loss_weights.empty() ? 1 : loss_weights[j]; }
};

inline Doubles products(const MarginSoftmaxProblem& p) {
  return linear_forward(p.features, p.class_weights, {}, p.rows, p.size, p.classes);
}

/// A sample and its class: z = scale * |f| * omega * phi(theta) + shift, omega = |w| or, for unit weights, 1.
struct Target {
  double feature_norm, weight_norm, omega;
  bool has_angle;  // not if the feature or the class weight is zero
  double cosine, theta;
  MarginPoint margin;  // with lambda: (lambda*c + psi) / (1 + lambda)
};

inline Target target(const MarginSoftmaxProblem& p, int64_t i) {
  const auto row = [&](const Doubles& matrix, int64_t index) {
    return Doubles(matrix.begin() + index * p.size, matrix.begin() + (index + 1) * p.size);
  };
  const Doubles f = row(p.features, i), w = row(p.class_weights, p.labels[i]);
  Target t{};
  t.feature_norm = std::sqrt(dot(f, f));
  t.weight_norm = std::sqrt(dot(w, w));
  t.omega = p.head.normalize_weights ? 1 : t.weight_norm;
  t.has_angle = t.feature_norm > 0 && t.weight_norm > 0;
  if (!t.has_angle) return t;
  double squared_difference = 0, squared_sum = 0;
  for (int64_t k = 0; k < p.size; ++k) {
    const double unit_f = f[k] / t.feature_norm, unit_w = w[k] / t.weight_norm;
    squared_difference += (unit_f - unit_w) * (unit_f - unit_w);
    squared_sum += (unit_f + unit_w) * (unit_f + unit_w);
  }
  t.theta = 2 * std::atan2(std::sqrt(squared_difference), std::sqrt(squared_sum));  // acos loses digits near 0 and pi
  t.cosine = std::cos(t.theta);

  Margin m = p.head.margin;
  m.m1 = static_cast<float>(1 + (m.m1 - 1) * p.ramp);
  m.m2 = static_cast<float>(m.m2 * p.ramp);
  m.m3 = static_cast<float>(m.m3 * p.ramp);
  t.margin = margin(m, t.theta);
  t.margin.phi = (p.lambda * t.cosine + t.margin.phi) / (1 + p.lambda);
  t.margin.dphi = m.exact ? (p.lambda + t.margin.dphi) / (1 + p.lambda) : 1;
  return t;
}

/// What a product f·w_j is multiplied with.
inline double class_factor(const MarginSoftmaxProblem& p, int64_t j) {
  if (!p.head.normalize_weights) return p.scale_of(j);
  double norm = 0;
  for (int64_t k = 0; k < p.size; ++k) norm += p.class_weights[j * p.size + k] * p.class_weights[j * p.size + k];
  return norm > 0 ? p.scale_of(j) / std::sqrt(norm) : 0;
}

struct Logits {
  Doubles plain, with_margin;  // (rows, classes)
};

/// From products as they were rounded, or the exact ones.
inline Logits logits(const MarginSoftmaxProblem& p, const Doubles& products) {
  Logits z{products, {}};
  for (int64_t j = 0; j < p.classes; ++j) {
    const double factor = class_factor(p, j);
    for (int64_t i = 0; i < p.rows; ++i) {
      double& value = z.plain[i * p.classes + j];
      value = value * factor + p.shift_of(j);
    }
  }
  z.with_margin = z.plain;
  for (int64_t i = 0; i < p.rows; ++i) {
    const Target t = target(p, i);
    if (t.has_angle)
      z.with_margin[i * p.classes + p.labels[i]] +=
          p.scale_of(p.labels[i]) * t.feature_norm * t.omega * (t.margin.phi - t.cosine);
  }
  return z;
}

struct CrossEntropy {
  double loss;
  Doubles dz;  // (rows, classes)
};

/// Of the first labels, each row taken so many times.
inline CrossEntropy cross_entropy(const MarginSoftmaxProblem& p, const Doubles& z, const Doubles& times,
                                  double batch_weight) {
  double weight_sum = 0;
  for (int64_t j = 0; j < p.classes; ++j) weight_sum += p.weight_of(j);
  const double smoothing = p.head.label_smoothing, spread = smoothing / static_cast<double>(p.classes);

  CrossEntropy result{0, softmax(z, p.rows, p.classes)};
  for (int64_t i = 0; i < p.rows; ++i) {
    const double* row = &z[i * p.classes];
    double* dz = &result.dz[i * p.classes];  // holds the probabilities so far
    const double max = *std::max_element(row, row + p.classes);
    double sum = 0, others = 0;
    for (int64_t j = 0; j < p.classes; ++j) sum += std::exp(row[j] - max);
    for (int64_t j = 0; j < p.classes; ++j) others += j == p.labels[i] ? 0 : dz[j];
    const double log_sum = max + std::log(sum), hard = (1 - smoothing) * p.weight_of(p.labels[i]);
    for (int64_t j = 0; j < p.classes; ++j) {
      const bool is_target = j == p.labels[i];
      const double weight = p.weight_of(j);
      result.loss += (spread * weight + (is_target ? hard : 0)) * (log_sum - row[j]) * times[i] / batch_weight;
      const double from_hard = hard * (is_target ? -others : dz[j]);  // p_y - 1 would cancel
      dz[j] = (from_hard + spread * (weight_sum * dz[j] - weight)) * times[i] / batch_weight;
    }
  }
  return result;
}

/// Sum of the weights of the first labels, each row taken so many times.
inline double batch_weight(const MarginSoftmaxProblem& p, const Doubles& times) {
  double sum = 0;
  for (int64_t i = 0; i < p.rows; ++i) sum += times[i] * p.weight_of(p.labels[i]);
  return sum;
}

inline CrossEntropy cross_entropy(const MarginSoftmaxProblem& p, const Doubles& z) {
  const Doubles once(p.rows, 1);
  return cross_entropy(p, z, once, batch_weight(p, once));
}

struct MarginSoftmaxAnswer {
  double loss, logit_gradient_norm;
  int32_t correct, past_pi;
  Doubles margin_logits, dlogits;                  // (rows, classes)
  Doubles target_terms = {};                       // (rows, 2): the target's d loss / d logit, and its logit
  Doubles feature_radial = {}, class_radial = {};  // (rows), (classes)
};

/// Of the first labels, each row taken so many times.
inline MarginSoftmaxAnswer one_label_softmax(const MarginSoftmaxProblem& p, const Doubles& products,
                                             const Doubles& times, double batch_weight) {
  const Logits z = logits(p, products);
  const CrossEntropy entropy = cross_entropy(p, z.with_margin, times, batch_weight);
  MarginSoftmaxAnswer answer{entropy.loss, std::sqrt(dot(entropy.dz, entropy.dz)), 0, 0, z.with_margin, entropy.dz};
  answer.feature_radial = Doubles(p.rows, 0);
  answer.class_radial = Doubles(p.classes, 0);
  for (int64_t j = 0; j < p.classes; ++j)
    for (int64_t i = 0; i < p.rows; ++i) answer.dlogits[i * p.classes + j] *= class_factor(p, j);

  for (int64_t i = 0; i < p.rows; ++i) {
    const int64_t y = p.labels[i];
    bool correct = true;
    for (int64_t j = 0; j < p.classes; ++j)
      correct = correct && (j == y || z.plain[i * p.classes + y] > z.plain[i * p.classes + j]);
    answer.correct += correct ? 1 : 0;
    answer.target_terms.push_back(entropy.dz[i * p.classes + y]);
    answer.target_terms.push_back(z.with_margin[i * p.classes + y]);

    // z = scale * |f| * omega * phi:  dz/df = scale * omega * (phi' w^ + (phi - c phi') f^), and for free weights
    // dz/dw = scale * |f| * (phi' f^ + (phi - c phi') w^).
    const Target t = target(p, i);
    if (!t.has_angle) continue;
    answer.past_pi += t.margin.past_pi ? 1 : 0;
    const double radial = entropy.dz[i * p.classes + y] * p.scale_of(y) * (t.margin.phi - t.cosine * t.margin.dphi);
    answer.dlogits[i * p.classes + y] *= t.margin.dphi;
    answer.feature_radial[i] = radial * t.omega / t.feature_norm;
    answer.class_radial[y] += radial * t.feature_norm / t.weight_norm;
  }
  return answer;
}

inline MarginSoftmaxAnswer margin_softmax(const MarginSoftmaxProblem& p, const Doubles& products) {
  const Doubles once(p.rows, 1);
  return one_label_softmax(p, products, once, batch_weight(p, once));
}

/// Rows with two labels, as two problems of one.
struct Mixture {
  MarginSoftmaxProblem first, second, larger;  // by the first label, the second, and that with the larger share
  Doubles first_share, second_share;
  double batch_weight;

  explicit Mixture(const MarginSoftmaxProblem& p) : first(p), second(p), larger(p), second_share(p.mixed_share) {
    second.labels = p.mixed_labels;
    for (int64_t i = 0; i < p.rows; ++i) {
      first_share.push_back(1 - second_share[i]);
      if (second_share[i] > 0.5) larger.labels[i] = p.mixed_labels[i];
    }
    batch_weight = reference::batch_weight(first, first_share) + reference::batch_weight(second, second_share);
  }
};

inline MarginSoftmaxAnswer mixed_margin_softmax(const MarginSoftmaxProblem& p, const Doubles& products) {
  const Mixture m(p);
  MarginSoftmaxAnswer answer = one_label_softmax(m.first, products, m.first_share, m.batch_weight);
  const MarginSoftmaxAnswer second = one_label_softmax(m.second, products, m.second_share, m.batch_weight);
  const MarginSoftmaxAnswer larger = margin_softmax(m.larger, products);
  const auto add = [](Doubles& to, const Doubles& values) {
    for (size_t i = 0; i < to.size(); ++i) to[i] += values[i];
  };
  answer.loss += second.loss;
  answer.correct = larger.correct;
  answer.past_pi = larger.past_pi;
  add(answer.dlogits, second.dlogits);
  add(answer.feature_radial, second.feature_radial);
  add(answer.class_radial, second.class_radial);
  for (int64_t i = 0; i < p.rows; ++i) {
    const int64_t at = i * p.classes + p.mixed_labels[i];
    answer.margin_logits[at] = second.margin_logits[at];
  }
  Doubles dz = cross_entropy(m.first, logits(m.first, products).with_margin, m.first_share, m.batch_weight).dz;
  add(dz, cross_entropy(m.second, logits(m.second, products).with_margin, m.second_share, m.batch_weight).dz);
  answer.logit_gradient_norm = std::sqrt(dot(dz, dz));
  answer.target_terms.clear();
  return answer;
}

/// The whole loss, from features and class weights.
inline double margin_softmax_loss(const MarginSoftmaxProblem& p) {
  const Doubles found = products(p);
  return (p.mixed_labels.empty() ? margin_softmax(p, found) : mixed_margin_softmax(p, found)).loss;
}

}  // namespace margincore::test::reference
