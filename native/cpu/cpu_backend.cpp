#include "cpu/cpu_backend.h"

#include <omp.h>
#include <pmmintrin.h>

#include <cmath>
#include <cstring>

#include "cpu/convolution.h"
#include "cpu/machine.h"
#include "cpu/matmul.h"

namespace margincore {

// A recorded sequence is the function that calls it: there is nothing to prepare on a CPU.
struct Program {
  Status (*body)(void* context);
  void* context;
};

namespace {

const int32_t* ints(const Tensor& tensor) { return static_cast<const int32_t*>(tensor.data); }
uint8_t* bytes(const Tensor& tensor) { return static_cast<uint8_t*>(tensor.data); }
BFloat16* halves(const Tensor& tensor) { return static_cast<BFloat16*>(tensor.data); }

PoolSizes pool_sizes(const Tensor& x, const Tensor& y) {
  return {x.shape[0], x.shape[1], x.shape[2], x.shape[3], y.shape[1], y.shape[2]};
}

/// Where the channels from `first` on of an image's first pixel lie.
uint8_t* channels_from(const Tensor& image, int64_t first) { return bytes(image) + first * size_of(image.dtype); }

int64_t channels_of(const Tensor& image) { return image.shape[image.shape.rank - 1]; }

/// run(the loops for activations of this tensor's type), which cannot fail.
template <class Run>
Status done_on(const Loops& loops, const Tensor& activations, const Run& run) {
  loops.on(activations, run);
  return Status::success();
}

/// What a linear layer sees: one row per sample.
struct Matrices {
  Tensor x, y;
  Matrices(const Tensor& image, const Tensor& output) : x(image.as_matrix()), y(output.as_matrix()) {}
};

}  // namespace

CpuBackend::CpuBackend(const BackendOptions& options)
    : loops_(choose_loops()),
      matmul_(std::make_unique<Matmul>(scratch_)),
      convolutions_(std::make_unique<Convolutions>(loops_, *matmul_, scratch_)) {
  if (options.precision == Precision::Bf16 && !onednn::multiplies_bf16())
    throw Error(ErrorCode::Unsupported,
                "precision bf16 needs a processor with AVX512_BF16 or AMX instructions: this one has neither, or "
                "ONEDNN_MAX_CPU_ISA rules them out");
  const int threads = options.threads > 0 ? options.threads : default_threads();
  // Applies to the calling thread alone: the one that will run this backend's operations.
  omp_set_num_threads(threads);
  omp_set_dynamic(0);
  // Numbers below 1e-38 count as 0: Adam's moments decay into that range, where the processor is many times slower.
#pragma omp parallel
  _mm_setcsr(_mm_getcsr() | _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON);
  info_ = describe(threads);
}

CpuBackend::~CpuBackend() = default;

BackendInfo CpuBackend::describe(int threads) {
  BackendInfo info{};
  std::snprintf(info.device, sizeof info.device, "cpu");
  std::snprintf(info.version, sizeof info.version, "%s", onednn::version().c_str());
  std::snprintf(info.description, sizeof info.description, "%s", choose_loops().instruction_set);
  info.threads = threads;
  info.bf16 = onednn::multiplies_bf16() ? 1 : 0;
  info.recomputes = 1;
  info.host_memory = 1;
  return info;
}

std::vector<std::string> CpuBackend::implementations() const {
  std::vector<std::string> names;
  convolutions_->append_names(names);
  matmul_->append_names(names);
  return names;
}

// ---- memory and programs --------------------------------------------------------------------------------------------

Status CpuBackend::allocate(void** memory, size_t bytes) {
  *memory = std::aligned_alloc(64, std::max<size_t>(64, whole_lines(bytes)));
  if (*memory == nullptr) return Status::failure(ErrorCode::OutOfMemory, "cpu: no memory for %zu bytes", bytes);
  return Status::success();
}

void CpuBackend::release(void* memory) { std::free(memory); }

Status CpuBackend::upload(void* device, const void* host, size_t bytes) { return copy(device, host, bytes); }
Status CpuBackend::download(void* host, const void* device, size_t bytes) { return copy(host, device, bytes); }

Status CpuBackend::copy(void* to, const void* from, size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
  return Status::success();
}

Status CpuBackend::zero(void* memory, size_t bytes) {
  std::memset(memory, 0, bytes);
  return Status::success();
}

Status CpuBackend::synchronize() { return Status::success(); }

Status CpuBackend::available_memory(size_t* bytes) {
  *bytes = available_memory_of_this_process();
  return Status::success();
}

// An upload is over when the call returns.
Status CpuBackend::allocate_host(void** memory, size_t bytes) { return allocate(memory, bytes); }
void CpuBackend::release_host(void* memory) { release(memory); }
Status CpuBackend::feed_wait(int32_t) { return Status::success(); }
Status CpuBackend::feed(int32_t, void* device, const void* host, size_t bytes) { return copy(device, host, bytes); }
Status CpuBackend::feed_begin(int32_t) { return Status::success(); }
Status CpuBackend::feed_end(int32_t) { return Status::success(); }

Status CpuBackend::record(Program** program, Status (*body)(void* context), void* context) {
  *program = new Program{body, context};
  return Status::success();
}

Status CpuBackend::replay(Program* program) { return program->body(program->context); }

void CpuBackend::discard(Program* program) { delete program; }

// ---- convolution and matmul -----------------------------------------------------------------------------------------

Status CpuBackend::conv2d_forward(Tensor y, Tensor x, Tensor w, Tensor bias, Conv2d conv) {
  return onednn::guarded("conv2d_forward", [&] { convolutions_->forward(y, x, w, bias, conv); });
}

Status CpuBackend::conv2d_backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv, int32_t adds) {
  return onednn::guarded("conv2d_backward_data", [&] {
    if (!adds) return convolutions_->backward_data(dx, dy, w, conv);
    // oneDNN's convolutions overwrite.
    const Tensor part = {summands_.take(static_cast<size_t>(dx.bytes())), dx.dtype, dx.shape};
    convolutions_->backward_data(part, dy, w, conv);
    check(add(dx, dx, part));
  });
}

Status CpuBackend::conv2d_backward_filter(Tensor dw, Tensor dbias, Tensor dy, Tensor x, Conv2d conv) {
  return onednn::guarded("conv2d_backward_filter", [&] { convolutions_->backward_filter(dw, dbias, dy, x, conv); });
}

Status CpuBackend::linear_forward(Tensor y, Tensor x, Tensor w, Tensor bias) {
  const Matrices m(x, y);
  return onednn::guarded("linear_forward", [&] { matmul_->multiply(m.y, {m.x}, {w, true}, bias); });
}

Status CpuBackend::linear_backward_data(Tensor dx, Tensor dy, Tensor w) {
  const Matrices m(dx, dy);
  return onednn::guarded("linear_backward_data", [&] { matmul_->multiply(m.x, {m.y}, {w}); });
}

Status CpuBackend::linear_backward_weight(Tensor dw, Tensor dbias, Tensor dy, Tensor x) {
  const Matrices m(x, dy);
  return onednn::guarded("linear_backward_weight", [&] {
    if (dbias) check(column_sums(dbias, m.y));
    matmul_->multiply(dw, {m.y, true}, {m.x});
  });
}

// ---- element-wise and pooling ---------------------------------------------------------------------------------------

Status CpuBackend::convert(Tensor y, Tensor x) {
  if (y.dtype == DType::BF16) loops_.narrow(halves(y), x.f32(), x.count());
  else loops_.widen(y.f32(), halves(x), x.count());
  return Status::success();
}

Status CpuBackend::relu_forward(Tensor y, Tensor x) {
  return done_on(loops_, x, [&](const auto& a) { a.relu_forward(a.elements(y), a.elements(x), x.count()); });
}

Status CpuBackend::relu_backward(Tensor dx, Tensor dy, Tensor y) {
  return done_on(loops_, y,
                 [&](const auto& a) { a.relu_backward(a.elements(dx), a.elements(dy), a.elements(y), y.count()); });
}

Status CpuBackend::add(Tensor y, Tensor a, Tensor b) {
  return done_on(loops_, y, [&](const auto& loops) {
    loops.add(loops.elements(y), loops.elements(a), loops.elements(b), y.count());
  });
}

Status CpuBackend::dropout_forward(Tensor y, Tensor x, Dropout dropout, const StepBlock* step) {
  return done_on(loops_, x, [&](const auto& a) { a.dropout(a.elements(y), a.elements(x), x.count(), dropout, step); });
}

Status CpuBackend::dropout_backward(Tensor dx, Tensor dy, Dropout dropout, const StepBlock* step) {
  return dropout_forward(dx, dy, dropout, step);
}

Status CpuBackend::batch_norm_stats(Tensor mean, Tensor variance, Tensor unbiased_variance, Tensor x) {
  return onednn::guarded("batch_norm_stats", [&] {
    const int64_t channels = mean.count(), rows = x.count() / channels;
    void* scratch = scratch_.take(loops_.batch_norm_scratch(rows, channels));
    loops_.on(x, [&](const auto& a) {
      a.batch_norm_stats(mean.f32(), variance.f32(), unbiased_variance.f32(), a.elements(x), rows, channels, scratch);
    });
  });
}

Status CpuBackend::batch_norm_apply(Tensor y, Tensor x, Tensor mean, Tensor variance, Tensor gamma, Tensor beta,
                                    Tensor residual, BatchNorm norm) {
  return onednn::guarded("batch_norm_apply", [&] {
    const int64_t channels = mean.count(), rows = x.count() / channels;
    const BatchNormParameters parameters{mean.f32(), variance.f32(), gamma.f32(), beta.f32(), norm};
    void* scratch = scratch_.take(loops_.batch_norm_scratch(rows, channels));
    loops_.on(x, [&](const auto& a) {
      a.batch_norm_apply(a.elements(y), a.elements(x), a.elements(residual), rows, channels, parameters, scratch);
    });
  });
}

Status CpuBackend::batch_norm_backward(Tensor dx, Tensor dgamma, Tensor dbeta, Tensor dresidual, Tensor dy, Tensor x,
                                       Tensor y, Tensor mean, Tensor variance, Tensor gamma, Tensor beta,
                                       BatchNorm norm) {
  return onednn::guarded("batch_norm_backward", [&] {
    const int64_t channels = mean.count(), rows = x.count() / channels;
    const BatchNormParameters parameters{mean.f32(), variance.f32(), gamma.f32(), beta.f32(), norm};
    void* scratch = scratch_.take(loops_.batch_norm_scratch(rows, channels));
    loops_.on(x, [&](const auto& a) {
      a.batch_norm_backward({a.elements(dx), dgamma.f32(), dbeta.f32(), a.elements(dresidual)}, a.elements(dy),
                            a.elements(x), a.elements(y), rows, channels, parameters, scratch);
    });
  });
}

Status CpuBackend::max_pool_forward(Tensor y, Tensor position, Tensor x, Pool2d pool) {
  return done_on(loops_, x, [&](const auto& a) {
    a.max_pool_forward(a.elements(y), bytes(position), a.elements(x), pool_sizes(x, y), pool);
  });
}

Status CpuBackend::max_pool_backward(Tensor dx, Tensor dy, Tensor position, Pool2d pool) {
  return done_on(loops_, dy, [&](const auto& a) {
    a.max_pool_backward(a.elements(dx), a.elements(dy), bytes(position), pool_sizes(dx, dy), pool);
  });
}

Status CpuBackend::prelu_forward(Tensor y, Tensor x, Tensor slope) {
  const int64_t channels = slope.count();
  return done_on(loops_, x, [&](const auto& a) {
    a.prelu_forward(a.elements(y), a.elements(x), slope.f32(), x.count() / channels, channels);
  });
}

Status CpuBackend::prelu_backward(Tensor dx, Tensor dslope, Tensor dy, Tensor x, Tensor slope) {
  return onednn::guarded("prelu_backward", [&] {
    const int64_t channels = slope.count(), rows = x.count() / channels;
    auto* sums = static_cast<float*>(scratch_.take(prelu_chunks(rows, channels) * channels * sizeof(float)));
    loops_.on(x, [&](const auto& a) {
      a.prelu_backward(a.elements(dx), dslope.f32(), sums, a.elements(dy), a.elements(x), slope.f32(), rows, channels);
    });
  });
}

Status CpuBackend::average_pool_forward(Tensor y, Tensor x, Pool2d pool) {
  return done_on(loops_, x,
                 [&](const auto& a) { a.average_pool_forward(a.elements(y), a.elements(x), pool_sizes(x, y), pool); });
}

Status CpuBackend::average_pool_backward(Tensor dx, Tensor dy, Pool2d pool) {
  return done_on(loops_, dy, [&](const auto& a) {
    a.average_pool_backward(a.elements(dx), a.elements(dy), pool_sizes(dx, dy), pool);
  });
}

Status CpuBackend::global_average_pool_forward(Tensor y, Tensor x) {
  return done_on(loops_, x, [&](const auto& a) {
    a.global_average_forward(a.elements(y), a.elements(x), x.shape[0], x.shape[1] * x.shape[2], x.shape[3]);
  });
}

Status CpuBackend::global_average_pool_backward(Tensor dx, Tensor dy) {
  return done_on(loops_, dy, [&](const auto& a) {
    a.global_average_backward(a.elements(dx), a.elements(dy), dx.shape[0], dx.shape[1] * dx.shape[2], dx.shape[3]);
  });
}

Status CpuBackend::concat_write(Tensor whole, Tensor part, int64_t first) {
  const int64_t bytes = channels_of(part) * size_of(part.dtype);
  loops_.copy_channels(channels_from(whole, first), channels_from(part, 0), part.count() / channels_of(part),
                       channels_of(whole) * size_of(whole.dtype), bytes, bytes);
  return Status::success();
}

Status CpuBackend::concat_read(Tensor part, Tensor whole, int64_t first) {
  const int64_t bytes = channels_of(part) * size_of(part.dtype);
  loops_.copy_channels(channels_from(part, 0), channels_from(whole, first), part.count() / channels_of(part), bytes,
                       channels_of(whole) * size_of(whole.dtype), bytes);
  return Status::success();
}

// ---- rows and the head ----------------------------------------------------------------------------------------------

Status CpuBackend::row_norms(Tensor norms, Tensor x) {
  loops_.row_norms(norms.f32(), x.f32(), x.shape[0], x.shape[1]);
  return Status::success();
}

Status CpuBackend::l2_scale_forward(Tensor y, Tensor x, Tensor norms, const float* scale) {
  loops_.l2_scale_forward(y.f32(), x.f32(), norms.f32(), *scale, x.shape[0], x.shape[1]);
  return Status::success();
}

Status CpuBackend::l2_scale_backward(Tensor dx, Tensor dscale, Tensor dy, Tensor x, Tensor norms, const float* scale) {
  return onednn::guarded("l2_scale_backward", [&] {
    const int64_t rows = x.shape[0];
    float* row_dscale = dscale ? static_cast<float*>(scratch_.take(rows * sizeof(float))) : nullptr;
    loops_.l2_scale_backward(dx.f32(), row_dscale, dy.f32(), x.f32(), norms.f32(), *scale, rows, x.shape[1]);
    if (!dscale) return;
    double total = 0;
    for (int64_t i = 0; i < rows; ++i) total += row_dscale[i];
    *dscale.f32() = static_cast<float>(total);
  });
}

Status CpuBackend::remove_radial(Tensor dx, Tensor x, Tensor norms) {
  loops_.remove_radial(dx.f32(), x.f32(), norms.f32(), x.shape[0], x.shape[1]);
  return Status::success();
}

Status CpuBackend::add_scaled_rows(Tensor y, Tensor x, Tensor coefficients) {
  loops_.add_scaled_rows(y.f32(), x.f32(), coefficients.f32(), x.shape[0], x.shape[1]);
  return Status::success();
}

Status CpuBackend::margin_softmax(MarginSoftmaxOperands operands, MarginSoftmax head) {
  if (operands.mixed_labels)
    return Status::failure(ErrorCode::Unsupported, "margin_softmax: two labels per row are not available on cpu");
  return onednn::guarded("margin_softmax", [&] {
    MarginSoftmaxRows work{};
    work.rows = operands.logits.shape[0];
    work.classes = operands.logits.shape[1];
    work.embedding_size = operands.features.shape[1];
    work.operands = operands;
    work.head = head;
    const bool factors = head.normalize_weights || operands.class_scale;
    const size_t needed = 3 * work.rows + (factors ? work.classes : 0);
    work.row_losses = static_cast<float*>(scratch_.take(needed * sizeof(float)));
    work.row_squares = work.row_losses + work.rows;
    work.row_radial = work.row_squares + work.rows;
    work.class_factors = factors ? work.row_radial + work.rows : nullptr;
    loops_.margin_softmax(work);
  });
}

Status CpuBackend::scale_logits(Tensor z, Tensor row_norms, Tensor column_norms, Tensor column_scale,
                                Tensor column_shift) {
  loops_.scale_logits(z.f32(), row_norms.f32(), column_norms.f32(), column_scale.f32(), column_shift.f32(), z.shape[0],
                      z.shape[1]);
  return Status::success();
}

Status CpuBackend::softmax(Tensor probabilities, Tensor logits) {
  loops_.softmax(probabilities.f32(), logits.f32(), logits.shape[0], logits.shape[1]);
  return Status::success();
}

Status CpuBackend::column_sums(Tensor sums, Tensor x) {
  return done_on(loops_, x, [&](const auto& a) { a.column_sums(sums.f32(), a.elements(x), x.shape[0], x.shape[1]); });
}

Status CpuBackend::column_stats(Tensor mean, Tensor variance, Tensor p, Tensor column_norms) {
  loops_.column_stats(mean.f32(), variance.f32(), p.f32(), column_norms.f32(), p.shape[0], p.shape[1]);
  return Status::success();
}

Status CpuBackend::scaled_bn_fold(Tensor class_scale, Tensor class_shift, Tensor mean, Tensor variance, ScaledBn norm) {
  loops_.scaled_bn_fold(class_scale.f32(), class_shift.f32(), mean.f32(), variance.f32(), mean.count(), norm);
  return Status::success();
}

Status CpuBackend::scaled_bn_backward(Tensor dp, Tensor p, Tensor labels, Tensor target_terms, Tensor mean,
                                      Tensor variance, Tensor column_norms, ScaledBn norm) {
  loops_.scaled_bn_backward(dp.f32(), p.f32(), ints(labels), target_terms.f32(), mean.f32(), variance.f32(),
                            column_norms.f32(), p.shape[0], p.shape[1], norm);
  return Status::success();
}

Status CpuBackend::running_average(Tensor running, Tensor current, float momentum, float factor,
                                   const int32_t* halted) {
  if (*halted != 0) return Status::success();
  loops_.running_average(running.f32(), current.f32(), running.count(), momentum, factor);
  return Status::success();
}

Status CpuBackend::center_loss(Tensor dx, StepReport* report, int32_t* halted, Tensor x, Tensor centers, Tensor labels,
                               float weight, const StepBlock* step) {
  return onednn::guarded("center_loss", [&] {
    const int64_t rows = x.shape[0];
    auto* squares = static_cast<float*>(scratch_.take(rows * sizeof(float)));
    StepReport& entry = report[step->report_index];
    entry.loss += static_cast<float>(
        loops_.center_loss(dx.f32(), squares, x.f32(), centers.f32(), ints(labels), rows, x.shape[1], weight));
    if (!std::isfinite(entry.loss)) *halted = 1;
  });
}

Status CpuBackend::center_update(Tensor centers, Tensor x, Tensor labels, float rate, const int32_t* halted) {
  if (*halted != 0) return Status::success();
  loops_.center_update(centers.f32(), x.f32(), ints(labels), x.shape[0], x.shape[1], rate);
  return Status::success();
}

// ---- batch assembly and update --------------------------------------------------------------------------------------

Status CpuBackend::gather_images(Tensor batch, Tensor batch_labels, GatherImages gather, const StepBlock* step) {
  const Augmentation& change = gather.augmentation;
  if (change.crop_padding != 0 || change.flip != 0 || change.erase != 0)
    return Status::failure(ErrorCode::Unsupported, "gather_images: augmentation is not available on cpu");
  const int32_t* order = gather.order ? ints(gather.order) + step->order_position : nullptr;
  return done_on(loops_, batch, [&](const auto& a) {
    a.gather_images(a.elements(batch), static_cast<int32_t*>(batch_labels.data), gather, batch.shape[0], order);
  });
}

Status CpuBackend::sgd(Tensor parameters, Tensor bf16_twin, Tensor velocity, Tensor gradients, Sgd options,
                       const StepBlock* step, const int32_t* halted) {
  if (*halted != 0) return Status::success();
  loops_.sgd(parameters.f32(), halves(bf16_twin), velocity.f32(), gradients.f32(), parameters.count(), options,
             step->learning_rate * options.rate_multiplier);
  return Status::success();
}

Status CpuBackend::adam(Tensor parameters, Tensor bf16_twin, Tensor first_moment, Tensor second_moment,
                        Tensor gradients, Adam options, const StepBlock* step, const int32_t* halted) {
  if (*halted != 0) return Status::success();
  loops_.adam(parameters.f32(), halves(bf16_twin), first_moment.f32(), second_moment.f32(), gradients.f32(),
              parameters.count(), options, step->learning_rate * options.rate_multiplier, step->step + 1);
  return Status::success();
}

Status CpuBackend::gradient_norm(StepReport* report, int32_t* halted, Tensor gradients, const StepBlock* step) {
  return onednn::guarded("gradient_norm", [&] {
    const int64_t blocks = (gradients.count() + kSumBlock - 1) / kSumBlock;
    auto* sums = static_cast<double*>(scratch_.take(blocks * sizeof(double)));
    const double norm = std::sqrt(loops_.sum_of_squares(gradients.f32(), gradients.count(), sums));
    report[step->report_index].gradient_norm = static_cast<float>(norm);
    if (!std::isfinite(norm)) *halted = 1;
  });
}

}  // namespace margincore
