// What a backend answers for an operation that it does not have. Linked into every plugin.
#include "backend/backend.h"

namespace margincore {

namespace {

Status unsupported(const Backend& backend, const char* operation) {
  return Status::failure(ErrorCode::Unsupported, "%s: not available on device %s", operation, backend.info().device);
}

}  // namespace

void Backend::release_host(void*) {}

#define MARGINCORE_UNSUPPORTED(operation, ...) \
  Status Backend::operation(__VA_ARGS__) { return unsupported(*this, #operation); }

MARGINCORE_UNSUPPORTED(available_memory, size_t*)
MARGINCORE_UNSUPPORTED(allocate_host, void**, size_t)
MARGINCORE_UNSUPPORTED(feed_wait, int32_t)
MARGINCORE_UNSUPPORTED(feed, int32_t, void*, const void*, size_t)
MARGINCORE_UNSUPPORTED(feed_begin, int32_t)
MARGINCORE_UNSUPPORTED(feed_end, int32_t)
MARGINCORE_UNSUPPORTED(conv2d_forward, Tensor, Tensor, Tensor, Tensor, Conv2d)
MARGINCORE_UNSUPPORTED(conv2d_backward_data, Tensor, Tensor, Tensor, Conv2d, int32_t)
MARGINCORE_UNSUPPORTED(conv2d_backward_filter, Tensor, Tensor, Tensor, Tensor, Conv2d)
MARGINCORE_UNSUPPORTED(linear_forward, Tensor, Tensor, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(linear_backward_data, Tensor, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(linear_backward_weight, Tensor, Tensor, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(convert, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(relu_forward, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(relu_backward, Tensor, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(prelu_forward, Tensor, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(prelu_backward, Tensor, Tensor, Tensor, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(add, Tensor, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(dropout_forward, Tensor, Tensor, Dropout, const StepBlock*)
MARGINCORE_UNSUPPORTED(dropout_backward, Tensor, Tensor, Dropout, const StepBlock*)
MARGINCORE_UNSUPPORTED(batch_norm_stats, Tensor, Tensor, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(batch_norm_apply, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, BatchNorm)
MARGINCORE_UNSUPPORTED(batch_norm_backward, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor,
                       Tensor, Tensor, BatchNorm)
MARGINCORE_UNSUPPORTED(max_pool_forward, Tensor, Tensor, Tensor, Pool2d)
MARGINCORE_UNSUPPORTED(max_pool_backward, Tensor, Tensor, Tensor, Pool2d)
MARGINCORE_UNSUPPORTED(average_pool_forward, Tensor, Tensor, Pool2d)
MARGINCORE_UNSUPPORTED(average_pool_backward, Tensor, Tensor, Pool2d)
MARGINCORE_UNSUPPORTED(global_average_pool_forward, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(global_average_pool_backward, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(concat_write, Tensor, Tensor, int64_t)
MARGINCORE_UNSUPPORTED(concat_read, Tensor, Tensor, int64_t)
MARGINCORE_UNSUPPORTED(row_norms, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(l2_scale_forward, Tensor, Tensor, Tensor, const float*)
MARGINCORE_UNSUPPORTED(l2_scale_backward, Tensor, Tensor, Tensor, Tensor, Tensor, const float*)
MARGINCORE_UNSUPPORTED(remove_radial, Tensor, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(add_scaled_rows, Tensor, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(margin_softmax, MarginSoftmaxOperands, MarginSoftmax)
MARGINCORE_UNSUPPORTED(scale_logits, Tensor, Tensor, Tensor, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(softmax, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(column_sums, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(column_stats, Tensor, Tensor, Tensor, Tensor)
MARGINCORE_UNSUPPORTED(scaled_bn_fold, Tensor, Tensor, Tensor, Tensor, ScaledBn)
MARGINCORE_UNSUPPORTED(scaled_bn_backward, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, ScaledBn)
MARGINCORE_UNSUPPORTED(running_average, Tensor, Tensor, float, float, const int32_t*)
MARGINCORE_UNSUPPORTED(center_loss, Tensor, StepReport*, int32_t*, Tensor, Tensor, Tensor, float, const StepBlock*)
MARGINCORE_UNSUPPORTED(center_update, Tensor, Tensor, Tensor, float, const int32_t*)
MARGINCORE_UNSUPPORTED(gather_images, Tensor, Tensor, GatherImages, const StepBlock*)
MARGINCORE_UNSUPPORTED(sgd, Tensor, Tensor, Tensor, Tensor, Sgd, const StepBlock*, const int32_t*)
MARGINCORE_UNSUPPORTED(adam, Tensor, Tensor, Tensor, Tensor, Tensor, Adam, const StepBlock*, const int32_t*)
MARGINCORE_UNSUPPORTED(gradient_norm, StepReport*, int32_t*, Tensor, const StepBlock*)

#undef MARGINCORE_UNSUPPORTED

}  // namespace margincore
