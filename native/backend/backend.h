// THE seam between what a network computes and where it is computed. A backend is a plugin, libmargincore_<name>.so,
// that implements this class; nothing outside its folder includes a vendor's header.
//
// Conventions, for every operation:
//  - Outputs come first, then inputs, then a descriptor. Tensors are views of this backend's device memory.
//  - Images are dense NHWC, convolution weights dense OHWI, matrices row-major. A matrix made from an image has its
//    columns in NHWC order.
//  - Activations and their gradients are fp32, or bf16 where BackendInfo::bf16 says so: then all activations of an
//    operation are, and the weights of convolutions and linear layers. Sums are fp32 even then, and so are biases, the
//    gradients of parameters, rows, the head and the optimizer.
//  - Labels, orders and flags are int32; images of a dataset uint8. `batch` means the first axis.
//  - An operation is queued in the order of the calls; only `download` and `synchronize` wait. One thread uses a
//    Backend at a time.
//  - A backward operation overwrites its gradient outputs, it does not add to them, unless it says so.
//  - Operands that may be absent are marked "or none": a Tensor without data, or a null pointer.
//  - What changes from step to step is read from the device-resident StepBlock, never passed by value, so that a
//    recorded step can be replayed.
//  - Memory that an operation needs only while it runs (workspace) is the backend's own; state that a backward pass
//    needs is an explicit operand, sized by the caller.
//  - Answers are plain Status values; no exception, no standard-library object crosses this boundary.
//  - An operation that a backend does not have answers Unsupported and names itself.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "base/rng.h"
#include "base/tensor.h"
#include "heads/margin.h"

namespace margincore {

inline constexpr int32_t kBackendAbiVersion = 7;

/// Values of one training step, in device memory.
struct StepBlock {
  uint64_t seed;
  uint64_t step;           // since the start of training, from 0: counter of dropout; Adam's t is step + 1
  uint32_t epoch;          // stream of augmentation
  int32_t report_index;    // entry of this step in the StepReport array
  int64_t order_position;  // this step's first sample in the order array
  float learning_rate;
  float lambda;       // annealing of the margin, 0 = margin in full
  float margin_ramp;  // share of the margin in force, 0…1
};

/// What a step leaves behind, in device memory; fetched once per reporting interval.
struct StepReport {
  float loss;                 // batch mean, with margin
  int32_t correct;            // samples whose margin-free score is highest for their own class
  float gradient_norm;        // L2 norm over all gradients
  float logit_gradient_norm;  // L2 norm of d loss / d logits, over the batch
  int32_t past_pi;            // samples whose margin's angle m1*theta + m2 lies beyond pi
};

/// What convolutions and matmuls compute in. Tf32: fp32 operands rounded to 11 bits where the device is faster so.
/// Bf16: their operands are bf16 tensors, and those that stay fp32 are taken as with Tf32.
enum class Precision : int32_t { Fp32, Tf32, Bf16 };

struct BackendOptions {
  int32_t device_index;
  int32_t threads;        // 0: the backend's default
  int32_t deterministic;  // same bits for the same kind of machine and thread count
  Precision precision;    // one that the device does not have is refused as Unsupported
};

struct BackendInfo {
  char device[64];        // "cpu", "cuda:0"
  char version[128];      // libraries and their versions
  char description[128];  // instruction set, or the card's name and compute capability
  int32_t simulated;      // 1: results come from a simulated device
  int32_t threads;        // threads in use; of a probe: the default
  int32_t bf16;           // 1: activations may be bf16
  int64_t workspace;      // bytes of device memory that library calls may need beside what is allocated
  int32_t searches;       // 1: the first use of a shape costs a search among algorithms
  int32_t recomputes;     // 1: a pass over activations costs little beside a step, so that memory is saved by it
  int32_t host_memory;    // 1: device memory is the host's, so that operations read what lies there without an upload
};

// ---- descriptors ----------------------------------------------------------------------------------------------------

struct Conv2d {
  int32_t stride = 1;
  int32_t padding = 0;
  int32_t groups = 1;
};

struct Pool2d {
  int32_t kernel = 2;
  int32_t stride = 2;
  int32_t padding = 0;
  int32_t relu = 0;  // max pool only: ReLU of the maximum, which is the maximum of the ReLUs
};

inline constexpr uint8_t kNoPosition = 255;

struct BatchNorm {
  float epsilon = 1e-5f;
  int32_t relu = 0;  // fused after the normalisation (and after the residual, where there is one)
};

struct Dropout {
  float rate = 0;       // probability that an element is dropped; kept ones are scaled by 1/(1 - rate)
  uint32_t stream = 0;  // tells the dropout layers of a network apart
};

/// Random changes of an image while it is gathered; a zero switches the change off.
struct Augmentation {
  int32_t crop_padding = 0;  // pad by so many black pixels, crop back at a random place
  int32_t flip = 0;          // mirror left and right with probability 1/2
  int32_t erase = 0;         // blacken a random square of this side
};

struct GatherImages {
  Tensor images;        // (M, H, W, C) uint8, the dataset
  Tensor labels;        // (M) int32, or none
  Tensor order;         // int32: sample numbers, this step's from StepBlock::order_position; or none: the first images
  Tensor scale, shift;  // (C) each: pixel p of channel c becomes p * scale[c] + shift[c]
  Augmentation augmentation;
};

struct MarginSoftmax {
  Margin margin;
  float label_smoothing = 0;
  int32_t normalize_weights = 0;  // class weights enter by direction only
};

/// Scaled batch norm of logits (Zhu et al. 2020, eq. 9): scale * (z_j - mean_j) / sqrt(variance_j + epsilon).
struct ScaledBn {
  float scale = 1;
  float epsilon = 1e-5f;
};

/// Operands of `margin_softmax`; N rows (batch), C classes, D embedding size.
struct MarginSoftmaxOperands {
  Tensor logits;          // in: (N, C) products f·w_j; out: their gradients
  Tensor feature_radial;  // out: (N) or none; d loss / d f gains feature_radial[i] * f_i
  Tensor class_radial;    // out: (C) or none; d loss / d w gains class_radial[j] * w_j
  Tensor margin_logits;   // out: (N, C) or none; the logits with margin, as they enter the softmax
  Tensor target_terms;    // out: (N, 2) or none; the target's d loss / d logit, and its logit with margin
  StepReport* report;     // out: entry StepBlock::report_index, but for the gradient norm
  int32_t* halted;        // out: set to 1 if the loss is not finite
  Tensor labels;          // (N) int32
  Tensor features;        // (N, D) f, as multiplied
  Tensor class_weights;   // (C, D) W
  Tensor feature_norms;   // (N), or none where there is no margin
  Tensor class_norms;     // (C), or none where weights are not normalised and there is no margin
  Tensor class_scale;     // (C) or none; factor of each class's logit beside 1/|w_j|
  Tensor class_shift;     // (C) or none; added to each class's logit (a bias)
  Tensor loss_weights;    // (C) or none; weight of each class in the loss
  Tensor mixed_labels;    // (N) int32 or none; second label of each row
  Tensor mixed_share;     // (N) or none; share of the second label
  const StepBlock* step;  // lambda, margin_ramp, report_index
};

struct Sgd {
  float momentum = 0.9f;
  int32_t nesterov = 0;
  float weight_decay = 0;  // added to the gradient
  float rate_multiplier = 1;
};

struct Adam {
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
  float weight_decay = 0;
  int32_t decoupled = 0;  // AdamW: decay shrinks the parameter directly
  float rate_multiplier = 1;
};

inline constexpr int32_t kFeedSlots = 2;

/// A recorded sequence of operations, owned by the backend until `discard`.
struct Program;

// ---- the operations -------------------------------------------------------------------------------------------------

class Backend {
 public:
  virtual const BackendInfo& info() const = 0;
  virtual void destroy() = 0;  // the plugin deletes what the plugin made

  // Memory. Contents of a new allocation are undefined; alignment is at least 64 bytes.
  virtual Status allocate(void** memory, size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  virtual Status upload(void* device, const void* host, size_t bytes) = 0;    // host may be reused on return
  virtual Status download(void* host, const void* device, size_t bytes) = 0;  // waits
  virtual Status copy(void* to, const void* from, size_t bytes) = 0;
  virtual Status zero(void* memory, size_t bytes) = 0;
  virtual Status synchronize() = 0;
  virtual Status available_memory(size_t* bytes);  // that could be allocated now

  // Feeding: uploads from host memory that overlap with operations. Two slots take turns: wait, write the host memory,
  // feed, begin, operations that read what was fed, end.
  virtual Status allocate_host(void** memory, size_t bytes);  // page-locked where uploads want that
  virtual void release_host(void* memory);
  virtual Status feed_wait(int32_t slot);  // until the slot's uploads have left host memory
  virtual Status feed(int32_t slot, void* device, const void* host, size_t bytes);  // after the slot's last `end`
  virtual Status feed_begin(int32_t slot);  // operations queued from here on come after the slot's uploads
  virtual Status feed_end(int32_t slot);    // operations queued before were the last to read them

  // Recording. `body` calls operations only; each must have run once with the same shapes before (that is when plans
  // are made). `context` must outlive the program.
  virtual Status record(Program** program, Status (*body)(void* context), void* context) = 0;
  virtual Status replay(Program* program) = 0;
  virtual void discard(Program* program) = 0;

  // Convolution: x (N, H, W, C), w (K, R, S, C/groups), y (N, P, Q, K), bias (K) or none. With `adds` backward_data
  // adds to dx, which then is the gradient of x by way of other operations.
  virtual Status conv2d_forward(Tensor y, Tensor x, Tensor w, Tensor bias, Conv2d conv);
  virtual Status conv2d_backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv, int32_t adds);
  virtual Status conv2d_backward_filter(Tensor dw, Tensor dbias, Tensor dy, Tensor x, Conv2d conv);

  // Linear: x (N, I), w (O, I), y (N, O), bias (O) or none. The head's matmuls are these, too.
  virtual Status linear_forward(Tensor y, Tensor x, Tensor w, Tensor bias);
  virtual Status linear_backward_data(Tensor dx, Tensor dy, Tensor w);
  virtual Status linear_backward_weight(Tensor dw, Tensor dbias, Tensor dy, Tensor x);

  // From fp32 to bf16 (to the nearest, ties to even) or back.
  virtual Status convert(Tensor y, Tensor x);

  // Element-wise; y may be x and dx may be dy. The derivative of ReLU at 0 is 0.
  virtual Status relu_forward(Tensor y, Tensor x);
  virtual Status relu_backward(Tensor dx, Tensor dy, Tensor y);
  virtual Status prelu_forward(Tensor y, Tensor x,
                               Tensor slope);  // slope (C) or (1), fp32; y = x where x > 0, else slope * x
  virtual Status prelu_backward(Tensor dx, Tensor dslope, Tensor dy, Tensor x, Tensor slope);
  virtual Status add(Tensor y, Tensor a, Tensor b);
  // Dropout's mask is drawn again in the backward pass, nothing is stored: element i takes word i mod 4 of philox(seed,
  // Dropout, stream, step * 2^32 + i / 4).
  virtual Status dropout_forward(Tensor y, Tensor x, Dropout dropout, const StepBlock* step);
  virtual Status dropout_backward(Tensor dx, Tensor dy, Dropout dropout, const StepBlock* step);

  // Batch norm per channel, over all other axes: x (…, C); statistics, gamma and beta (C), fp32.
  // Mean and biased variance of x; unbiased_variance (what a running average takes; of a single row 0) or none.
  virtual Status batch_norm_stats(Tensor mean, Tensor variance, Tensor unbiased_variance, Tensor x);
  // y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, + residual or none, then the ReLU where there is one. y may
  // be x or the residual. For training, for inference (with running statistics), and to compute y once more.
  virtual Status batch_norm_apply(Tensor y, Tensor x, Tensor mean, Tensor variance, Tensor gamma, Tensor beta,
                                  Tensor residual, BatchNorm norm);
  // The gradient goes through the statistics of x, too. A fused ReLU cuts dy off where y is not above 0; where y is none
  // (possible without a residual) it is computed again from x. dresidual or none: dy as the ReLU leaves it. dx may be dy.
  virtual Status batch_norm_backward(Tensor dx, Tensor dgamma, Tensor dbeta, Tensor dresidual, Tensor dy, Tensor x,
                                     Tensor y, Tensor mean, Tensor variance, Tensor gamma, Tensor beta, BatchNorm norm);

  // Pooling: x (N, H, W, C), y (N, P, Q, C); padding never wins a maximum and does not count in an average.
  // position (uint8, shape of y) keeps the place of the first maximum inside its window, row * kernel + column, or
  // kNoPosition where a fused ReLU cut it off; kernel <= 15.
  virtual Status max_pool_forward(Tensor y, Tensor position, Tensor x, Pool2d pool);
  virtual Status max_pool_backward(Tensor dx, Tensor dy, Tensor position, Pool2d pool);
  virtual Status average_pool_forward(Tensor y, Tensor x, Pool2d pool);
  virtual Status average_pool_backward(Tensor dx, Tensor dy, Pool2d pool);
  virtual Status global_average_pool_forward(Tensor y, Tensor x);  // y (N, C)
  virtual Status global_average_pool_backward(Tensor dx, Tensor dy);

  // Channel ranges of an NHWC tensor: write `part` into, or read it from, `whole` starting at channel `first`.
  virtual Status concat_write(Tensor whole, Tensor part, int64_t first);
  virtual Status concat_read(Tensor part, Tensor whole, int64_t first);

  // Rows of a matrix x (N, D). A row of zeros has norm 0, a zero result and a zero gradient.
  virtual Status row_norms(Tensor norms, Tensor x);  // (N), L2
  // y_i = scale * x_i / |x_i|; `scale` is one float in device memory. dscale (1 element) or none.
  virtual Status l2_scale_forward(Tensor y, Tensor x, Tensor norms, const float* scale);
  virtual Status l2_scale_backward(Tensor dx, Tensor dscale, Tensor dy, Tensor x, Tensor norms, const float* scale);
  // dx_i -= x^_i (x^_i · dx_i): the gradient of what depends on x_i by direction only.
  virtual Status remove_radial(Tensor dx, Tensor x, Tensor norms);
  // y_i += coefficients_i * x_i
  virtual Status add_scaled_rows(Tensor y, Tensor x, Tensor coefficients);

  // The head (native/heads/ has the formulas): cross-entropy over logits whose target carries a margin. One pass over
  // a row for the sums, one that writes the gradient over the logits.
  virtual Status margin_softmax(MarginSoftmaxOperands operands, MarginSoftmax head);
  // z_ij = z_ij / (row_norms_i * column_norms_j) * column_scale_j + column_shift_j, in place; each of the four or none.
  // Where a norm is 0 the quotient is 0.
  virtual Status scale_logits(Tensor z, Tensor row_norms, Tensor column_norms, Tensor column_scale,
                              Tensor column_shift);
  virtual Status softmax(Tensor probabilities, Tensor logits);
  virtual Status column_sums(Tensor sums, Tensor x);  // (N, C) -> (C)

  // Scaled batch norm of logits. Products p (N, C); logits are p_ij / column_norms_j, or p itself where there are none.
  // Mean and biased variance (C) of the logits over the batch.
  virtual Status column_stats(Tensor mean, Tensor variance, Tensor p, Tensor column_norms);
  // The normalisation as margin_softmax and scale_logits take it: logit * class_scale + class_shift.
  virtual Status scaled_bn_fold(Tensor class_scale, Tensor class_shift, Tensor mean, Tensor variance, ScaledBn norm);
  // Adds to dp, as margin_softmax left it, what goes through the statistics; target_terms are margin_softmax's.
  virtual Status scaled_bn_backward(Tensor dp, Tensor p, Tensor labels, Tensor target_terms, Tensor mean,
                                    Tensor variance, Tensor column_norms, ScaledBn norm);
  // running = (1 - momentum) * running + momentum * factor * current; nothing once *halted is not 0.
  virtual Status running_average(Tensor running, Tensor current, float momentum, float factor, const int32_t* halted);

  // Distance to the own class's centre (center loss, Wen et al. 2016): adds weight/2 * mean |x_i - c_y|^2 to the
  // report's loss and writes dx_i = weight/N (x_i - c_y). Sets *halted to 1 if the loss is then not finite.
  virtual Status center_loss(Tensor dx, StepReport* report, int32_t* halted, Tensor x, Tensor centers, Tensor labels,
                             float weight, const StepBlock* step);
  // c_j -= rate * sum_{y_i = j} (c_j - x_i) / (1 + n_j), n_j samples of class j; nothing once *halted is not 0.
  virtual Status center_update(Tensor centers, Tensor x, Tensor labels, float rate, const int32_t* halted);

  // Batch assembly: batch (N, H, W, C) and batch_labels (N) int32 from a uint8 dataset. Without order and
  // augmentation `step` may be null.
  virtual Status gather_images(Tensor batch, Tensor batch_labels, GatherImages gather, const StepBlock* step);

  // Parameter update over a contiguous range of the arenas, with the parameters' bf16 twin or none; does nothing once
  // *halted is not 0.
  virtual Status sgd(Tensor parameters, Tensor bf16_twin, Tensor velocity, Tensor gradients, Sgd options,
                     const StepBlock* step, const int32_t* halted);
  virtual Status adam(Tensor parameters, Tensor bf16_twin, Tensor first_moment, Tensor second_moment, Tensor gradients,
                      Adam options, const StepBlock* step, const int32_t* halted);
  // L2 norm of all gradients into report->gradient_norm; sets *halted to 1 if it is not finite, as it is not where a
  // gradient is not.
  virtual Status gradient_norm(StepReport* report, int32_t* halted, Tensor gradients, const StepBlock* step);

 protected:
  ~Backend() = default;
};

/// What a plugin exports as `margincore_plugin`. Everything else of it is hidden.
struct Plugin {
  int32_t abi_version;  // first, so that it can be read from any version
  const char* name;     // "cpu", "cuda"
  Status (*probe)(BackendInfo* info, int32_t device_index);
  Status (*create)(Backend** backend, const BackendOptions* options);
};

using PluginEntry = const Plugin* (*)();
inline constexpr const char* kPluginEntryName = "margincore_plugin";

}  // namespace margincore
