// Our own loops of the CPU backend, compiled once per instruction set (loops.cpp) and chosen at run time.
// They take plain pointers and sizes; shapes were checked by the operation that calls them. All run on the calling
// thread's OpenMP team, with a fixed division of work: no result depends on scheduling.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/backend.h"

namespace margincore {

struct PoolSizes {
  int64_t batch, height, width, channels, out_height, out_width;
};

/// (channels) each.
struct BatchNormParameters {
  const float *mean, *variance, *gamma, *beta;
  BatchNorm norm;
};

struct BatchNormGradients {
  float* dx;         // may be dy
  float* dgamma;     // (channels)
  float* dbeta;      // (channels)
  float* dresidual;  // or none
};

struct MarginSoftmaxRows {
  int64_t rows, classes, embedding_size;
  MarginSoftmaxOperands operands;
  MarginSoftmax head;
  float* class_factors;  // (classes) scratch, or none where every factor is 1
  float* row_losses;     // (rows) scratch
  float* row_squares;    // (rows) scratch: of the logits' gradients
  float* row_radial;     // (rows) scratch, where class_radial is asked for
};

struct Loops {
  const char* instruction_set;

  void (*relu_forward)(float* y, const float* x, int64_t count);
  void (*relu_backward)(float* dx, const float* dy, const float* y, int64_t count);
  void (*add)(float* y, const float* a, const float* b, int64_t count);
  void (*dropout)(float* y, const float* x, int64_t count, Dropout dropout, const StepBlock* step);
  /// Bytes of `scratch` that each of the three needs.
  int64_t (*batch_norm_scratch)(int64_t rows, int64_t channels);
  void (*batch_norm_stats)(float* mean, float* variance, float* unbiased_variance, const float* x, int64_t rows,
                           int64_t channels, void* scratch);
  void (*batch_norm_apply)(float* y, const float* x, const float* residual, int64_t rows, int64_t channels,
                           const BatchNormParameters& parameters, void* scratch);
  void (*batch_norm_backward)(const BatchNormGradients& gradients, const float* dy, const float* x, const float* y,
                              int64_t rows, int64_t channels, const BatchNormParameters& parameters, void* scratch);
  void (*max_pool_forward)(float* y, uint8_t* position, const float* x, PoolSizes sizes, Pool2d pool);
  void (*max_pool_backward)(float* dx, const float* dy, const uint8_t* position, PoolSizes sizes, Pool2d pool);

  void (*prelu_forward)(float* y, const float* x, const float* slope, int64_t rows, int64_t channels);
  void (*prelu_backward)(float* dx, float* dslope, float* chunk_sums, const float* dy, const float* x,
                         const float* slope, int64_t rows, int64_t channels);
  void (*average_pool_forward)(float* y, const float* x, PoolSizes sizes, Pool2d pool);
  void (*average_pool_backward)(float* dx, const float* dy, PoolSizes sizes, Pool2d pool);
  void (*global_average_forward)(float* y, const float* x, int64_t batch, int64_t pixels, int64_t channels);
  void (*global_average_backward)(float* dx, const float* dy, int64_t batch, int64_t pixels, int64_t channels);
  void (*copy_channels)(uint8_t* to, const uint8_t* from, int64_t pixels, int64_t to_stride, int64_t from_stride,
                        int64_t bytes);

  void (*row_norms)(float* norms, const float* x, int64_t rows, int64_t columns);
  void (*l2_scale_forward)(float* y, const float* x, const float* norms, float scale, int64_t rows, int64_t columns);
  void (*l2_scale_backward)(float* dx, float* row_dscale, const float* dy, const float* x, const float* norms,
                            float scale, int64_t rows, int64_t columns);
  void (*remove_radial)(float* dx, const float* x, const float* norms, int64_t rows, int64_t columns);
  void (*add_scaled_rows)(float* y, const float* x, const float* coefficients, int64_t rows, int64_t columns);

  void (*margin_softmax)(const MarginSoftmaxRows& work);
  void (*scale_logits)(float* z, const float* row_norms, const float* column_norms, const float* column_scale,
                       const float* column_shift, int64_t rows, int64_t columns);
  void (*softmax)(float* probabilities, const float* logits, int64_t rows, int64_t columns);
  void (*column_sums)(float* sums, const float* x, int64_t rows, int64_t columns);

  void (*column_stats)(float* mean, float* variance, const float* p, const float* column_norms, int64_t rows,
                       int64_t columns);
  void (*scaled_bn_fold)(float* class_scale, float* class_shift, const float* mean, const float* variance,
                         int64_t columns, ScaledBn norm);
  void (*scaled_bn_backward)(float* dp, const float* p, const int32_t* labels, const float* target_terms,
                             const float* mean, const float* variance, const float* column_norms, int64_t rows,
                             int64_t columns, ScaledBn norm);
  void (*running_average)(float* running, const float* current, int64_t count, float momentum, float factor);
  double (*center_loss)(float* dx, float* row_squares, const float* x, const float* centers, const int32_t* labels,
                        int64_t rows, int64_t columns, float weight);
  void (*center_update)(float* centers, const float* x, const int32_t* labels, int64_t rows, int64_t columns,
                        float rate);

  void (*gather_images)(float* batch, int32_t* batch_labels, const GatherImages& gather, int64_t rows,
                        const int32_t* order);

  void (*sgd)(float* parameters, float* velocity, const float* gradients, int64_t count, Sgd options, float rate);
  void (*adam)(float* parameters, float* first_moment, float* second_moment, const float* gradients, int64_t count,
               Adam options, float rate, uint64_t t);
  double (*sum_of_squares)(const float* x, int64_t count, double* block_sums);
};

/// Elements per entry of `block_sums`: a norm is summed in blocks, so that its bits do not depend on the threads.
inline constexpr int64_t kSumBlock = 1 << 15;

/// Rows that prelu_backward sums by themselves: many chunks of them for many threads, few enough to be summed by one.
MARGINCORE_HOST_DEVICE int64_t prelu_chunk_rows(int64_t rows, int64_t channels) {
  const int64_t least = kSumBlock / channels + 1, share = rows / 256 + 1;
  return least > share ? least : share;
}
MARGINCORE_HOST_DEVICE int64_t prelu_chunks(int64_t rows, int64_t channels) {
  return (rows - 1) / prelu_chunk_rows(rows, channels) + 1;
}

/// The best set of loops that this processor can run.
const Loops& choose_loops();

namespace x86_64_v2 { extern const Loops loops; }
namespace x86_64_v3 { extern const Loops loops; }
namespace x86_64_v4 { extern const Loops loops; }

}  // namespace margincore
