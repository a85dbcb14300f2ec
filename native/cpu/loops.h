// Our own loops of the CPU backend, compiled once per instruction set (loops.cpp) and chosen at run time.
// They take plain pointers and sizes; shapes were checked by the operation that calls them. All run on the calling
// thread's OpenMP team, with a fixed division of work: no result depends on scheduling.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/backend.h"
#include "base/bfloat16.h"

namespace margincore {

struct PoolSizes {
  int64_t batch, height, width, channels, out_height, out_width;
};

/// Every stride-th pixel of a batch of images along both axes, `rows` x `columns` of each, from (top, left) on. That
/// may lie outside the image where patches begin, in a convolution's padding.
struct PixelGrid {
  int64_t batch, height, width, pixel_bytes;
  int64_t rows, columns, top, left, stride;
};

/// A patch of kernel_height x kernel_width pixels begins at each place of the grid.
struct Im2colSizes : PixelGrid {
  int64_t kernel_height, kernel_width;
};

/// (channels) each.
struct BatchNormParameters {
  const float *mean, *variance, *gamma, *beta;
  BatchNorm norm;
};

template <class T>
struct BatchNormGradients {
  T* dx;          // may be dy
  float* dgamma;  // (channels)
  float* dbeta;   // (channels)
  T* dresidual;   // or none
};

struct MarginSoftmaxRows {
  int64_t rows, classes, embedding_size;
  MarginSoftmaxOperands operands;
  MarginSoftmax head;
  float* class_factors;  // (classes) scratch, or none where every factor is 1
  float* row_losses;     // (rows) scratch
  float* row_squares;    // (rows) scratch: of the logits' gradients
  float* row_radial;     // (rows) scratch, where class_radial is asked for; (2, rows) of rows with two labels
  RowParts parts;        // where classes are sharded among ranks, and totals
  StepTotals* totals;
};

/// Loops over activations, as they are in memory: T is float or BFloat16. Arithmetic is fp32.
template <class T>
struct ActivationLoops {
  static T* elements(const Tensor& tensor) { return static_cast<T*>(tensor.data); }

  void (*relu_forward)(T* y, const T* x, int64_t count);
  void (*relu_backward)(T* dx, const T* dy, const T* y, int64_t count);
  void (*prelu_forward)(T* y, const T* x, const float* slope, int64_t rows, int64_t channels);
  void (*prelu_backward)(T* dx, float* dslope, float* chunk_sums, const T* dy, const T* x, const float* slope,
                         int64_t rows, int64_t channels);
  void (*add)(T* y, const T* a, const T* b, int64_t count);
  void (*dropout)(T* y, const T* x, int64_t count, Dropout dropout, const StepBlock* step);

  void (*batch_norm_stats)(float* mean, float* variance, float* unbiased_variance, const T* x, int64_t rows,
                           int64_t channels, void* scratch);
  void (*batch_norm_apply)(T* y, const T* x, const T* residual, int64_t rows, int64_t channels,
                           const BatchNormParameters& parameters, void* scratch);
  void (*batch_norm_backward)(const BatchNormGradients<T>& gradients, const T* dy, const T* x, const T* y, int64_t rows,
                              int64_t channels, const BatchNormParameters& parameters, void* scratch);

  void (*max_pool_forward)(T* y, uint8_t* position, const T* x, const float* bias, PoolSizes sizes, Pool2d pool);
  void (*max_pool_backward)(T* dx, const T* dy, const uint8_t* position, PoolSizes sizes, Pool2d pool);
  void (*max_pool_bias_backward)(float* dbias, const T* dy, const uint8_t* position, int64_t rows, int64_t channels);
  void (*average_pool_forward)(T* y, const T* x, PoolSizes sizes, Pool2d pool);
  void (*average_pool_backward)(T* dx, const T* dy, PoolSizes sizes, Pool2d pool);
  void (*global_average_forward)(T* y, const T* x, int64_t batch, int64_t pixels, int64_t channels);
  void (*global_average_backward)(T* dx, const T* dy, int64_t batch, int64_t pixels, int64_t channels);

  void (*column_sums)(float* sums, const T* x, int64_t rows, int64_t columns);
  void (*gather_images)(T* batch, int32_t* batch_labels, const GatherImages& gather, int64_t rows,
                        const StepBlock* step);
  void (*gather_mixed)(T* batch, int32_t* batch_labels, const GatherImages& gather, int64_t rows,
                       const StepBlock* step);
};

/// The parameters of a group, and how they are updated.
struct UpdateRange {
  float* parameters;
  BFloat16* bf16_twin;                  // or none
  float *first_moment, *second_moment;  // the second is Adam's alone
  const float* gradients;
  int64_t count;
  float clip;  // what gradients are multiplied by
  float rate, weight_decay;
};

struct Loops {
  const char* instruction_set;

  ActivationLoops<float> f32;
  ActivationLoops<BFloat16> bf16;

  /// run(the loops for activations of this tensor's type)
  template <class Run>
  void on(const Tensor& activations, const Run& run) const {
    if (activations.dtype == DType::BF16) run(bf16);
    else run(f32);
  }

  void (*narrow)(BFloat16* y, const float* x, int64_t count);  // to the nearest, ties to even
  void (*widen)(float* y, const BFloat16* x, int64_t count);
  void (*copy_channels)(uint8_t* to, const uint8_t* from, int64_t pixels, int64_t to_stride, int64_t from_stride,
                        int64_t bytes);
  void (*im2col)(uint8_t* patches, const uint8_t* images, const Im2colSizes& sizes);
  void (*spread_pixels)(uint8_t* images, const uint8_t* pixels, const PixelGrid& grid);
  /// Bytes of `scratch` that each loop of batch norm needs.
  int64_t (*batch_norm_scratch)(int64_t rows, int64_t channels);

  /// y = w·x + bias, with bias or none: one row of a linear layer.
  void (*matrix_times_vector)(float* y, const float* w, const float* x, const float* bias, int64_t rows,
                              int64_t columns);
  void (*row_norms)(float* norms, const float* x, int64_t rows, int64_t columns);
  void (*l2_scale_forward)(float* y, float* norms, float* y_norms, const float* x, float scale, int64_t rows,
                           int64_t columns);
  void (*scale_rows)(float* y, const float* x, const float* norms, float scale, int64_t rows, int64_t columns);
  void (*l2_scale_backward)(float* dx, float* row_dscale, const float* dy, const float* x, const float* norms,
                            float scale, int64_t rows, int64_t columns);
  void (*remove_radial)(float* dx, const float* x, const float* norms, int64_t rows, int64_t columns);
  void (*add_scaled_rows)(float* y, const float* x, const float* coefficients, int64_t rows, int64_t columns);
  void (*gather_rows)(float* y, const float* x, const int32_t* rows, int64_t count, int64_t columns);
  void (*scatter_rows)(float* y, const float* x, const int32_t* rows, int64_t count, int64_t columns);
  /// keys: (draw.count) scratch.
  void (*draw_classes)(int32_t* drawn, int32_t* places, uint32_t* keys, const int32_t* labels, int64_t rows,
                       const ClassDraw& draw, const StepBlock& step);

  void (*margin_softmax)(const MarginSoftmaxRows& work);
  void (*mixed_margin_softmax)(const MarginSoftmaxRows& work);  // of rows with two labels
  void (*margin_softmax_sums)(const MarginSoftmaxRows& work);
  void (*margin_softmax_rebase)(const RowParts& parts);
  void (*margin_softmax_gradients)(const MarginSoftmaxRows& work, AllClasses all);
  void (*scale_logits)(float* z, const float* row_norms, const float* column_norms, const float* column_scale,
                       const float* column_shift, int64_t rows, int64_t columns);
  void (*softmax)(float* probabilities, const float* logits, int64_t rows, int64_t columns);

  void (*column_stats)(float* mean, float* variance, const float* p, const float* column_norms, int64_t rows,
                       int64_t columns);
  void (*scaled_bn_fold)(float* class_scale, float* class_shift, const float* mean, const float* variance,
                         int64_t columns, ScaledBn norm);
  void (*scaled_bn_backward)(float* dp, const float* p, const int32_t* labels, const float* target_terms,
                             const float* mean, const float* variance, const float* column_norms, int64_t rows,
                             int64_t columns, ScaledBn norm);
  void (*running_average)(float* running, const float* current, int64_t count, float momentum, float factor);
  double (*center_loss)(float* dx, float* row_squares, const float* x, const float* centers, int64_t classes,
                        const int32_t* labels, int64_t rows, int64_t columns, float weight);
  void (*center_update)(float* centers, int64_t classes, const float* x, const int32_t* labels, int64_t rows,
                        int64_t columns, float rate);

  void (*sgd)(const UpdateRange& range, Sgd options, float momentum);
  void (*adam)(const UpdateRange& range, Adam options, float beta1, uint64_t t);
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
