#include "cuda/cuda_backend.h"

#include <algorithm>

#include "cuda/guard.h"
#include "cuda/kernels/kernels.h"

#ifndef MARGINCORE_CUDA_ARCHITECTURES
#define MARGINCORE_CUDA_ARCHITECTURES "a simulated device"
#endif

namespace margincore {

/// A recorded sequence is a CUDA graph: one launch instead of some forty. Where each call is waited for, it is the
/// calls themselves.
struct Program {
  cudaGraphExec_t graph = nullptr;
  Status (*body)(void* context) = nullptr;
  void* context = nullptr;
};

namespace {

using cuda::guarded;

const int32_t* ints(const Tensor& tensor) { return static_cast<const int32_t*>(tensor.data); }

cuda::PoolSizes pool_sizes(const Tensor& x, const Tensor& y) {
  const auto size = [](const Tensor& tensor, int axis) { return static_cast<int>(tensor.shape[axis]); };
  return {x.shape[0], size(x, 1), size(x, 2), size(x, 3), size(y, 1), size(y, 2)};
}

/// Makes the device, which is there, this thread's: a Backend is used by one thread.
BackendInfo selected(const BackendInfo& info, int32_t index) {
  MARGINCORE_CHECK(cudaSetDevice(index));
  return info;
}

/// Throws where this build has no code for the card, whose kernels would fail one by one.
void expect_kernels(const BackendInfo& card) {
  const cudaError_t error = cuda::probe_kernels();
  if (error == cudaSuccess) return;
  throw Error(ErrorCode::DeviceUnavailable,
              format("%s: this build has no code for %s, only for %s: %s", card.device, card.description,
                     MARGINCORE_CUDA_ARCHITECTURES, cudaGetErrorString(error)));
}

/// The major version of cuDNN is in its file name, that of the CUDA it was built for is not: one for CUDA 12 loads too.
void require_cudnn_for_this_cuda() {
  const size_t version = cudnnGetVersion(), cuda = cudnnGetCudartVersion() / 1000, needed = CUDART_VERSION / 1000;
  if (cuda == needed) return;
  throw Error(ErrorCode::DeviceUnavailable,
              format("cuDNN %zu.%zu was found, built for CUDA %zu: one for CUDA %zu is needed", version / 10000,
                     version % 10000 / 100, cuda, needed));
}

}  // namespace

BackendInfo describe_device(int32_t index) {
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) {
    cudaGetLastError();  // not to be met again by a later call
    throw Error(ErrorCode::DeviceUnavailable, cudaGetErrorString(error));
  }
  if (index < 0 || index >= count)
    throw Error(ErrorCode::DeviceUnavailable,
                format("cuda:%d: this machine has %d CUDA device%s", index, count, count == 1 ? "" : "s"));
  require_cudnn_for_this_cuda();
  cudaDeviceProp card;
  MARGINCORE_CHECK(cudaGetDeviceProperties(&card, index));
  int driver = 0, runtime = 0;
  MARGINCORE_CHECK(cudaDriverGetVersion(&driver));
  MARGINCORE_CHECK(cudaRuntimeGetVersion(&runtime));
  BackendInfo info{};
  std::snprintf(info.device, sizeof info.device, "cuda:%d", index);
  std::snprintf(info.version, sizeof info.version, "CUDA %d.%d (driver %d.%d), cuDNN %zu.%zu", runtime / 1000,
                runtime % 1000 / 10, driver / 1000, driver % 1000 / 10, cudnnGetVersion() / 10000,
                cudnnGetVersion() % 10000 / 100);
  std::snprintf(info.description, sizeof info.description, "%.90s, compute capability %d.%d", card.name, card.major,
                card.minor);
  info.bf16 = card.major >= 8;
  info.workspace = kMaxConvolutionWorkspace + kMatmulWorkspace;
#if defined(MARGINCORE_CUDA_SIM)
  info.simulated = 1;
#endif
  return info;
}

CudaBackend::CudaBackend(const BackendOptions& options)
    : info_(selected(describe_device(options.device_index), options.device_index)),
      workspace_(stream_),
      uploads_(stream_),
      feed_(stream_),
      convolutions_(stream_, workspace_, options),
      matmul_(stream_, options) {
  info_.searches = options.deterministic == 0;
  expect_kernels(info_);
  if (options.precision != Precision::Fp32 && !info_.bf16)
    throw Error(ErrorCode::Unsupported,
                format("precision %s needs compute capability 8.0 or newer: %s is %s",
                       options.precision == Precision::Bf16 ? "bf16" : "tf32", info_.device, info_.description));
}

CudaBackend::~CudaBackend() { cudaStreamSynchronize(stream_); }

// ---- memory and programs --------------------------------------------------------------------------------------------

Status CudaBackend::allocate(void** memory, size_t bytes) {
  const cudaError_t error = cudaMalloc(memory, std::max<size_t>(bytes, 1));
  if (error == cudaSuccess) return Status::success();
  cudaGetLastError();
  return Status::failure(ErrorCode::OutOfMemory, "%s: no memory for %zu bytes: %s", info_.device, bytes,
                         cudaGetErrorString(error));
}

void CudaBackend::release(void* memory) {
  cudaStreamSynchronize(stream_);
  cudaFree(memory);
}

Status CudaBackend::upload(void* device, const void* host, size_t bytes) {
  return guarded("upload", [&] {
    if (bytes == 0) return;
    if (bytes <= SmallUploads::kMaxBytes) return uploads_.upload(device, host, bytes);
    // From pageable memory: returns once the contents have been staged.
    MARGINCORE_CHECK(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_));
  });
}

Status CudaBackend::download(void* host, const void* device, size_t bytes) {
  return guarded("download", [&] {
    if (bytes > 0) MARGINCORE_CHECK(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_));
    MARGINCORE_CHECK(cudaStreamSynchronize(stream_));
  });
}

Status CudaBackend::copy(void* to, const void* from, size_t bytes) {
  return guarded("copy", [&] {
    if (bytes > 0) MARGINCORE_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_));
  });
}

Status CudaBackend::zero(void* memory, size_t bytes) {
  return guarded("zero", [&] {
    if (bytes > 0) MARGINCORE_CHECK(cudaMemsetAsync(memory, 0, bytes, stream_));
  });
}

Status CudaBackend::synchronize() {
  return guarded("synchronize", [&] { MARGINCORE_CHECK(cudaStreamSynchronize(stream_)); });
}

Status CudaBackend::available_memory(size_t* bytes) {
  return guarded("available_memory", [&] {
    size_t total = 0;
    MARGINCORE_CHECK(cudaMemGetInfo(bytes, &total));
  });
}

Status CudaBackend::allocate_host(void** memory, size_t bytes) {
  return guarded("allocate_host", [&] { MARGINCORE_CHECK(cudaMallocHost(memory, std::max<size_t>(bytes, 1))); });
}

void CudaBackend::release_host(void* memory) {
  cudaDeviceSynchronize();  // an upload may still read it
  cudaFreeHost(memory);
}

Status CudaBackend::feed_wait(int32_t slot) {
  return guarded("feed_wait", [&] { feed_.wait(slot); });
}

Status CudaBackend::feed(int32_t slot, void* device, const void* host, size_t bytes) {
  return guarded("feed", [&] { feed_.upload(slot, device, host, bytes); });
}

Status CudaBackend::feed_begin(int32_t slot) {
  return guarded("feed_begin", [&] { feed_.begin(slot); });
}

Status CudaBackend::feed_end(int32_t slot) {
  return guarded("feed_end", [&] { feed_.end(slot); });
}

Status CudaBackend::record(Program** program, Status (*body)(void* context), void* context) {
  return guarded("record", [&] {
    if (cuda::waits_for_each_call()) {
      *program = new Program{nullptr, body, context};
      return;
    }
    workspace_.keep();
    MARGINCORE_CHECK(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
    const Status status = body(context);
    cudaGraph_t graph = nullptr;
    const cudaError_t ended = cudaStreamEndCapture(stream_, &graph);
    if (!status.ok()) {
      cudaGraphDestroy(graph);
      cudaGetLastError();
      margincore::check(status);
    }
    MARGINCORE_CHECK(ended);
    auto made = std::make_unique<Program>();
    const cudaError_t instantiated = cudaGraphInstantiate(&made->graph, graph, 0);
    cudaGraphDestroy(graph);
    MARGINCORE_CHECK(instantiated);
    *program = made.release();
  });
}

Status CudaBackend::replay(Program* program) {
  if (program->graph == nullptr) return program->body(program->context);
  return guarded("replay", [&] { MARGINCORE_CHECK(cudaGraphLaunch(program->graph, stream_)); });
}

void CudaBackend::discard(Program* program) {
  cudaStreamSynchronize(stream_);
  if (program->graph != nullptr) cudaGraphExecDestroy(program->graph);
  delete program;
}

// ---- convolution and matmul -----------------------------------------------------------------------------------------

void CudaBackend::column_sums_of(Tensor sums, Tensor matrix) {
  const int64_t rows = matrix.shape[0], columns = matrix.shape[1];
  cuda::column_sums(sums.f32(), floats(cuda::sum_partials(rows, columns)), matrix, rows, columns, stream_);
}

Status CudaBackend::conv2d_forward(Tensor y, Tensor x, Tensor w, Tensor bias, Conv2d conv) {
  return guarded("conv2d_forward", [&] {
    convolutions_.forward(y, x, w, conv);
    if (bias) cuda::add_bias(y, bias.f32(), y.count() / bias.count(), bias.count(), stream_);
  });
}

Status CudaBackend::conv2d_backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv, int32_t adds) {
  return guarded("conv2d_backward_data", [&] { convolutions_.backward_data(dx, dy, w, conv, adds != 0); });
}

Status CudaBackend::conv2d_backward_filter(Tensor dw, Tensor dbias, Tensor dy, Tensor x, Conv2d conv) {
  return guarded("conv2d_backward_filter", [&] {
    convolutions_.backward_filter(dw, dy, x, conv);
    if (dbias) column_sums_of(dbias, {dy.data, dy.dtype, {dy.count() / dbias.count(), dbias.count()}});
  });
}

Status CudaBackend::linear_forward(Tensor y, Tensor x, Tensor w, Tensor bias) {
  return guarded("linear_forward", [&] {
    const Tensor out = y.as_matrix();
    matmul_.multiply(out, x.as_matrix(), false, w, true);
    if (bias) cuda::add_bias(y, bias.f32(), out.shape[0], out.shape[1], stream_);
  });
}

Status CudaBackend::linear_backward_data(Tensor dx, Tensor dy, Tensor w) {
  return guarded("linear_backward_data", [&] { matmul_.multiply(dx.as_matrix(), dy.as_matrix(), false, w, false); });
}

Status CudaBackend::linear_backward_weight(Tensor dw, Tensor dbias, Tensor dy, Tensor x) {
  return guarded("linear_backward_weight", [&] {
    matmul_.multiply(dw, dy.as_matrix(), true, x.as_matrix(), false);
    if (dbias) column_sums_of(dbias, dy.as_matrix());
  });
}

// ---- element-wise and pooling ---------------------------------------------------------------------------------------

Status CudaBackend::convert(Tensor y, Tensor x) {
  return guarded("convert", [&] { cuda::convert(y, x, stream_); });
}

Status CudaBackend::relu_forward(Tensor y, Tensor x) {
  return guarded("relu_forward", [&] { cuda::relu_forward(y, x, stream_); });
}

Status CudaBackend::relu_backward(Tensor dx, Tensor dy, Tensor y) {
  return guarded("relu_backward", [&] { cuda::relu_backward(dx, dy, y, stream_); });
}

Status CudaBackend::add(Tensor y, Tensor a, Tensor b) {
  return guarded("add", [&] { cuda::add(y, a, b, stream_); });
}

Status CudaBackend::dropout_forward(Tensor y, Tensor x, Dropout dropout, const StepBlock* step) {
  return guarded("dropout_forward", [&] { cuda::dropout(y, x, dropout, step, stream_); });
}

Status CudaBackend::dropout_backward(Tensor dx, Tensor dy, Dropout dropout, const StepBlock* step) {
  return guarded("dropout_backward", [&] { cuda::dropout(dx, dy, dropout, step, stream_); });
}

Status CudaBackend::batch_norm_stats(Tensor mean, Tensor variance, Tensor unbiased_variance, Tensor x) {
  return guarded("batch_norm_stats", [&] {
    const int64_t channels = mean.count();
    cuda::batch_norm_stats(mean.f32(), variance.f32(), unbiased_variance.f32(),
                           floats(cuda::batch_norm_partials(x, channels)), x, channels, stream_);
  });
}

Status CudaBackend::batch_norm_apply(Tensor y, Tensor x, Tensor mean, Tensor variance, Tensor gamma, Tensor beta,
                                     Tensor residual, BatchNorm norm) {
  return guarded("batch_norm_apply", [&] {
    cuda::batch_norm_apply(y, x, residual, mean.count(), {mean.f32(), variance.f32(), gamma.f32(), beta.f32(), norm},
                           stream_);
  });
}

Status CudaBackend::batch_norm_backward(Tensor dx, Tensor dgamma, Tensor dbeta, Tensor dresidual, Tensor dy, Tensor x,
                                        Tensor y, Tensor mean, Tensor variance, Tensor gamma, Tensor beta,
                                        BatchNorm norm) {
  return guarded("batch_norm_backward", [&] {
    const int64_t channels = mean.count();
    cuda::batch_norm_backward(dx, dgamma.f32(), dbeta.f32(), dresidual, floats(cuda::batch_norm_partials(x, channels)),
                              dy, x, y, channels, {mean.f32(), variance.f32(), gamma.f32(), beta.f32(), norm}, stream_);
  });
}

Status CudaBackend::max_pool_forward(Tensor y, Tensor position, Tensor x, Pool2d pool) {
  return guarded("max_pool_forward", [&] {
    cuda::max_pool_forward(y, static_cast<uint8_t*>(position.data), x, pool_sizes(x, y), pool, stream_);
  });
}

Status CudaBackend::max_pool_backward(Tensor dx, Tensor dy, Tensor position, Pool2d pool) {
  return guarded("max_pool_backward", [&] {
    cuda::max_pool_backward(dx, dy, static_cast<const uint8_t*>(position.data), pool_sizes(dx, dy), pool, stream_);
  });
}

Status CudaBackend::prelu_forward(Tensor y, Tensor x, Tensor slope) {
  return guarded("prelu_forward", [&] { cuda::prelu_forward(y, x, slope, stream_); });
}

Status CudaBackend::prelu_backward(Tensor dx, Tensor dslope, Tensor dy, Tensor x, Tensor slope) {
  return guarded("prelu_backward",
                 [&] { cuda::prelu_backward(dx, dslope, floats(cuda::prelu_partials(x)), dy, x, slope, stream_); });
}

Status CudaBackend::average_pool_forward(Tensor y, Tensor x, Pool2d pool) {
  return guarded("average_pool_forward", [&] { cuda::average_pool_forward(y, x, pool_sizes(x, y), pool, stream_); });
}

Status CudaBackend::average_pool_backward(Tensor dx, Tensor dy, Pool2d pool) {
  return guarded("average_pool_backward",
                 [&] { cuda::average_pool_backward(dx, dy, pool_sizes(dx, dy), pool, stream_); });
}

Status CudaBackend::global_average_pool_forward(Tensor y, Tensor x) {
  return guarded("global_average_pool_forward", [&] { cuda::global_average_forward(y, x, stream_); });
}

Status CudaBackend::global_average_pool_backward(Tensor dx, Tensor dy) {
  return guarded("global_average_pool_backward", [&] { cuda::global_average_backward(dx, dy, stream_); });
}

Status CudaBackend::concat_write(Tensor whole, Tensor part, int64_t first) {
  return guarded("concat_write", [&] { cuda::concat_write(whole, part, first, stream_); });
}

Status CudaBackend::concat_read(Tensor part, Tensor whole, int64_t first) {
  return guarded("concat_read", [&] { cuda::concat_read(part, whole, first, stream_); });
}

// ---- rows and the head ----------------------------------------------------------------------------------------------

Status CudaBackend::row_norms(Tensor norms, Tensor x) {
  return guarded("row_norms", [&] { cuda::row_norms(norms.f32(), x.f32(), x.shape[0], x.shape[1], stream_); });
}

Status CudaBackend::l2_scale_forward(Tensor y, Tensor x, Tensor norms, const float* scale) {
  return guarded("l2_scale_forward", [&] {
    cuda::l2_scale_forward(y.f32(), x.f32(), norms.f32(), scale, x.shape[0], x.shape[1], stream_);
  });
}

Status CudaBackend::l2_scale_backward(Tensor dx, Tensor dscale, Tensor dy, Tensor x, Tensor norms, const float* scale) {
  return guarded("l2_scale_backward", [&] {
    const int64_t rows = x.shape[0];
    float* row_dscale = dscale ? floats(rows) : nullptr;
    cuda::l2_scale_backward(dx.f32(), row_dscale, dy.f32(), x.f32(), norms.f32(), scale, rows, x.shape[1], stream_);
    if (dscale) cuda::sum(dscale.f32(), row_dscale, rows, stream_);
  });
}

Status CudaBackend::remove_radial(Tensor dx, Tensor x, Tensor norms) {
  return guarded("remove_radial",
                 [&] { cuda::remove_radial(dx.f32(), x.f32(), norms.f32(), x.shape[0], x.shape[1], stream_); });
}

Status CudaBackend::add_scaled_rows(Tensor y, Tensor x, Tensor coefficients) {
  return guarded("add_scaled_rows",
                 [&] { cuda::add_scaled_rows(y.f32(), x.f32(), coefficients.f32(), x.shape[0], x.shape[1], stream_); });
}

Status CudaBackend::margin_softmax(MarginSoftmaxOperands operands, MarginSoftmax head) {
  if (operands.mixed_labels)
    return Status::failure(ErrorCode::Unsupported, "margin_softmax: two labels per row are not available on cuda");
  return guarded("margin_softmax", [&] {
    const size_t bytes = cuda::margin_softmax_workspace(operands, head);
    cuda::margin_softmax(operands, head, workspace_.take(bytes), stream_);
  });
}

Status CudaBackend::scale_logits(Tensor z, Tensor row_norms, Tensor column_norms, Tensor column_scale,
                                 Tensor column_shift) {
  return guarded("scale_logits", [&] {
    cuda::scale_logits(z.f32(), row_norms.f32(), column_norms.f32(), column_scale.f32(), column_shift.f32(), z.shape[0],
                       z.shape[1], stream_);
  });
}

Status CudaBackend::softmax(Tensor probabilities, Tensor logits) {
  return guarded("softmax",
                 [&] { cuda::softmax(probabilities.f32(), logits.f32(), logits.shape[0], logits.shape[1], stream_); });
}

Status CudaBackend::column_sums(Tensor sums, Tensor x) {
  return guarded("column_sums", [&] { column_sums_of(sums, x); });
}

Status CudaBackend::column_stats(Tensor mean, Tensor variance, Tensor p, Tensor column_norms) {
  return guarded("column_stats", [&] {
    cuda::column_stats(mean.f32(), variance.f32(), p.f32(), column_norms.f32(), p.shape[0], p.shape[1], stream_);
  });
}

Status CudaBackend::scaled_bn_fold(Tensor class_scale, Tensor class_shift, Tensor mean, Tensor variance,
                                   ScaledBn norm) {
  return guarded("scaled_bn_fold", [&] {
    cuda::scaled_bn_fold(class_scale.f32(), class_shift.f32(), mean.f32(), variance.f32(), mean.count(), norm, stream_);
  });
}

Status CudaBackend::scaled_bn_backward(Tensor dp, Tensor p, Tensor labels, Tensor target_terms, Tensor mean,
                                       Tensor variance, Tensor column_norms, ScaledBn norm) {
  return guarded("scaled_bn_backward", [&] {
    cuda::scaled_bn_backward(dp.f32(), p.f32(), ints(labels), target_terms.f32(), mean.f32(), variance.f32(),
                             column_norms.f32(), p.shape[0], p.shape[1], norm, stream_);
  });
}

Status CudaBackend::running_average(Tensor running, Tensor current, float momentum, float factor,
                                    const int32_t* halted) {
  return guarded("running_average", [&] {
    cuda::running_average(running.f32(), current.f32(), running.count(), momentum, factor, halted, stream_);
  });
}

Status CudaBackend::center_loss(Tensor dx, StepReport* report, int32_t* halted, Tensor x, Tensor centers, Tensor labels,
                                float weight, const StepBlock* step) {
  return guarded("center_loss", [&] {
    const int64_t rows = x.shape[0];
    cuda::center_loss(dx.f32(), report, halted, floats(rows), x.f32(), centers.f32(), ints(labels), rows, x.shape[1],
                      weight, step, stream_);
  });
}

Status CudaBackend::center_update(Tensor centers, Tensor x, Tensor labels, float rate, const int32_t* halted) {
  return guarded("center_update", [&] {
    cuda::center_update(centers.f32(), x.f32(), ints(labels), x.shape[0], x.shape[1], rate, halted, stream_);
  });
}

// ---- batch assembly and update --------------------------------------------------------------------------------------

Status CudaBackend::gather_images(Tensor batch, Tensor batch_labels, GatherImages gather, const StepBlock* step) {
  const Augmentation& change = gather.augmentation;
  if (change.crop_padding != 0 || change.flip != 0 || change.erase != 0)
    return Status::failure(ErrorCode::Unsupported, "gather_images: augmentation is not available on cuda");
  return guarded("gather_images",
                 [&] { cuda::gather_images(batch, static_cast<int32_t*>(batch_labels.data), gather, step, stream_); });
}

Status CudaBackend::sgd(Tensor parameters, Tensor bf16_twin, Tensor velocity, Tensor gradients, Sgd options,
                        const StepBlock* step, const int32_t* halted) {
  return guarded("sgd", [&] {
    cuda::sgd(parameters.f32(), static_cast<BFloat16*>(bf16_twin.data), velocity.f32(), gradients.f32(),
              parameters.count(), options, step, halted, stream_);
  });
}

Status CudaBackend::adam(Tensor parameters, Tensor bf16_twin, Tensor first_moment, Tensor second_moment,
                         Tensor gradients, Adam options, const StepBlock* step, const int32_t* halted) {
  return guarded("adam", [&] {
    cuda::adam(parameters.f32(), static_cast<BFloat16*>(bf16_twin.data), first_moment.f32(), second_moment.f32(),
               gradients.f32(), parameters.count(), options, step, halted, stream_);
  });
}

Status CudaBackend::gradient_norm(StepReport* report, int32_t* halted, Tensor gradients, const StepBlock* step) {
  return guarded("gradient_norm", [&] {
    cuda::gradient_norm(report, halted, floats(cuda::kNormPartials), gradients.f32(), gradients.count(), step, stream_);
  });
}

}  // namespace margincore
