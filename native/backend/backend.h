// THE seam between what a network computes and where it is computed. A backend is a plugin, libmargincore_<name>.so,
// that implements this class; nothing outside its folder includes a vendor's header.
//
// Conventions, for every operation:
//  - Outputs come first, then inputs, then a descriptor. Tensors are views of this backend's device memory.
//  - Images are dense NHWC, convolution weights dense OHWI, matrices row-major. A matrix made from an image has its
//    columns in NHWC order.
//  - Activations and their gradients are fp32, or bf16 where BackendInfo::bf16 says so: then all activations of an
//    operation are, and the weights of convolutions and linear layers. Sums are fp32 even then, and so are biases, rows,
//    the head, the optimizer and the gradients of parameters; but where BackendInfo::bf16_gradients says so, the gradient
//    of weights that are read as bf16 is bf16, as matmuls leave it: whoever reads it widens it, in no pass of its own.
//  - Labels, orders and flags are int32; images of a dataset uint8. `batch` means the first axis.
//  - An operation is queued in the order of the calls; only `download` and `synchronize` wait. One thread uses a
//    Backend at a time, but for `enter`.
//  - A backward operation overwrites its gradient outputs, it does not add to them, unless it says so.
//  - Operands that may be absent are marked "or none": a Tensor without data, or a null pointer.
//  - What changes from step to step is read from the device-resident StepBlock, never passed by value, so that a
//    recorded step can be replayed.
//  - Memory that an operation needs only while it runs (workspace) is the backend's own; state that a backward pass
//    needs is an explicit operand, sized by the caller.
//  - Answers are plain Status values; no exception, no standard-library object crosses this boundary.
//  - Every backend has every operation (operations.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/augmentation.h"
#include "base/class_draw.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/tensor.h"
#include "heads/margin.h"

namespace margincore {

inline constexpr int32_t kBackendAbiVersion = 15;

/// Values of one training step, in device memory.
struct StepBlock {
  uint64_t seed;
  uint64_t step;           // since the start of training, from 0: counter of dropout; Adam's t is step + 1
  uint32_t epoch;          // stream of augmentation
  int32_t report_index;    // entry of this step in the StepReport array
  int64_t order_position;  // this step's first sample in the order array
  float learning_rate;
  float momentum;     // SGD's; of Adam beta1
  float lambda;       // annealing of the margin, 0 = margin in full
  float margin_ramp;  // share of the margin in force, 0…1
};

/// What a step leaves behind, in device memory; fetched once per reporting interval.
struct StepReport {
  float loss;                 // batch mean, with margin
  int32_t correct;            // samples whose margin-free score is highest for their own class
  float gradient_norm;        // L2 norm over all gradients, before they are clipped
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
  char device[64];         // "cpu", "cuda:0"
  char version[128];       // libraries and their versions
  char description[128];   // instruction set, or the card's name and compute capability
  int32_t simulated;       // 1: results come from a simulated device
  int32_t threads;         // threads in use; of a probe: the default
  int32_t bf16;            // 1: activations may be bf16
  int32_t bf16_gradients;  // 1: beside bf16 activations, gradients of weights are bf16 in memory
  int64_t workspace;       // bytes of device memory that library calls may need beside what is allocated
  int32_t searches;        // 1: the first use of a shape costs a search among algorithms
  int32_t recomputes;      // 1: a pass over activations costs little beside a step, so that memory is saved by it
  int32_t relu_masks;      // 1: a batch norm's ReLU behind a residual leaves a mask, for less than reading y costs
  int32_t devices;         // that this machine has of the kind
  int32_t host_memory;     // 1: device memory is the host's, so that operations read what lies there without an upload
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

/// Channels of which a byte of a ReLU's mask says where y is above 0: bit i of byte k of a row, of channel 4 k + i.
inline constexpr int64_t kMaskedChannels = 4;

struct BatchNorm {
  float epsilon = 1e-5f;
  int32_t relu = 0;      // fused after the normalisation (and after the residual, where there is one)
  int64_t all_rows = 0;  // backward, where ranks share a batch and its statistics: rows (and pixels) of all of them
};

struct Dropout {
  float rate = 0;       // probability that an element is dropped; kept ones are scaled by 1/(1 - rate)
  uint32_t stream = 0;  // tells the dropout layers of a network apart
  int64_t first = 0;    // number of x's first element, of all that are drawn for: where x is a part of a batch
};

struct GatherImages {
  Tensor images;        // (M, H, W, C) uint8, the dataset
  Tensor labels;        // (M) int32, or none
  Tensor order;         // int32: sample numbers, this step's from StepBlock::order_position; or none: the first images
  Tensor numbers;       // as order: what augmentation calls the samples, or none: as order does
  Tensor scale, shift;  // (C) each: pixel p of channel c becomes p * scale[c] + shift[c]
  Augmentation augmentation;  // drawn by StepBlock's seed and epoch; three channels are colours, others each by itself
  MixedRows mixed_rows;       // where images are mixed: of which rows of the batch, as places in order
  Tensor mixed_labels;        // out: (N) int32 or none; where images are mixed, the labels of the rows' partners
  Tensor mixed_share;         // out: (N) or none; and their shares
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

/// Operands of `margin_softmax`; N rows (batch), C classes, D embedding size. Of a row with two labels the loss is
/// (1 - share) * that of the first + share * that of the second, each with the margin on that label alone; the batch's
/// normaliser is the sum of its labels' weights, by their shares. The report's counts are of the label with the larger
/// share (the first, where they are equal), its norm that of the gradients' sum; margin_logits have both margins, and there
/// are no target_terms.
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
  Tensor mixed_share;     // (N) or none; share of the second label, in [0, 1]
  const StepBlock* step;  // lambda, margin_ramp, report_index
};

/// Where classes are sharded among ranks, each of which has the rows of the whole batch: what a rank's own classes are of
/// its rows. Ranks put them together: first the maximum of `largest`, then the sum of `sums`.
struct RowParts {
  Tensor own_largest;  // (N): the largest logit of the own classes but the target; -infinity of none
  Tensor largest;      // (N): the same, and of all ranks' classes once those were put together
  Tensor sums;         // (kRowSums, N), in the order of RowSum
};

/// What a target's is 0 where the target is another rank's.
enum RowSum : int32_t {
  kExponents,       // of classes but the target: e^(logit - own_largest), and after `rebase` e^(logit - largest)
  kWeightedLogits,  // of those: loss weight * logit; 0 without label smoothing
  kTargetPlain,     // the target's logit without margin
  kTargetLogit,     // and with it
  kTargetWeight,    // in the loss
  kPastPi,          // 1 where the margin's angle lies beyond pi
  kRowSums,
};

/// Of all ranks' classes.
struct AllClasses {
  int64_t count;
  float weight;  // the sum of their weights in the loss
};

/// What ranks have each by themselves of a step, in device memory, to be added up. Each is written by the operation that
/// finds it: who has no such operation has zeroed it before.
struct StepTotals {
  float logit_squares;  // of the loss's gradients by the logits
  float center_loss;
  float gradient_squares;  // of the parameters that only one rank has
};

/// Of all that is trained, one after another as the parameters lie: the first ones in bf16, a multiple of 4 where others
/// follow, the rest in fp32. Either may be none.
struct Gradients {
  Tensor bf16, f32;

  int64_t bf16_count() const { return bf16 ? bf16.count() : 0; }
  int64_t count() const { return bf16_count() + (f32 ? f32.count() : 0); }
  /// Elements of one type.
  Tensor part(int64_t first, int64_t size) const {
    if (first < bf16_count()) return {bf16.bf16() + first, DType::BF16, {size}};
    return {f32.f32() + first - bf16_count(), {size}};
  }
};

/// Parameters that are updated alike: those from the end of the group before, or the first, to this one's end.
struct UpdateGroup {
  int64_t end;
  float rate_multiplier = 1;
  float weight_decay = 0;  // added to the gradient, after that is clipped, or as Adam::decoupled says
};

/// Operands of an optimizer: all that is trained, in groups. Where bf16 ends, in the twin or the gradients, a group does.
struct UpdateOperands {
  Tensor parameters;          // in, out
  Tensor bf16_twin;           // out: of the first parameters, a multiple of 4 where others follow; or none
  Tensor first_moment;        // in, out: SGD's velocity; Adam's mean of the gradient
  Tensor second_moment;       // in, out: Adam's mean square of the gradient; of SGD none
  Gradients gradients;        // multiplied by clip_factor
  const float* clip_factor;   // in device memory, or none; where it is 1 the bits are those of none
  const UpdateGroup* groups;  // in device memory; the last one ends where the parameters do
  const StepBlock* step;
  const int32_t* halted;  // once it is not 0, nothing is done
};

struct Sgd {
  int32_t nesterov = 0;
};

struct Adam {
  float beta2 = 0.999f, epsilon = 1e-8f;
  int32_t decoupled = 0;  // AdamW: decay shrinks the parameter directly
};

inline constexpr int32_t kFeedSlots = 2;

/// Asked again and again while the host waits for what was queued; `seconds` since something of it was last seen to be done.
/// A failure ends the wait.
struct Watch {
  Status (*ask)(void* context, double seconds) = nullptr;  // null: nobody is asked
  void* context = nullptr;
};

/// A recorded sequence of operations, owned by the backend until `discard`.
struct Program;

// ---- the operations -------------------------------------------------------------------------------------------------

class Backend {
 public:
  virtual const BackendInfo& info() const = 0;
  virtual void destroy() = 0;  // the plugin deletes what the plugin made

#define MARGINCORE_OP = 0
#include "backend/operations.h"

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
