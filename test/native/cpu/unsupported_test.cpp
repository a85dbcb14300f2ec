// What a backend answers for an operation that it does not have (native/backend/backend.cpp).
#include <doctest/doctest.h>

#include <string>

#include "backend/backend.h"

namespace margincore::test {

namespace {

/// The least that a backend must have.
class BareBackend final : public Backend {
 public:
  const BackendInfo& info() const override { return info_; }
  void destroy() override {}
  Status allocate(void**, size_t) override { return Status::success(); }
  void release(void*) override {}
  Status upload(void*, const void*, size_t) override { return Status::success(); }
  Status download(void*, const void*, size_t) override { return Status::success(); }
  Status copy(void*, const void*, size_t) override { return Status::success(); }
  Status zero(void*, size_t) override { return Status::success(); }
  Status synchronize() override { return Status::success(); }
  Status record(Program**, Status (*)(void*), void*) override { return Status::success(); }
  Status replay(Program*) override { return Status::success(); }
  void discard(Program*) override {}

 private:
  BackendInfo info_{"bare:0", "", "", 0, 1};
};

}  // namespace

TEST_CASE("an operation that a backend does not have names itself and the device") {
  BareBackend b;
  const Tensor t;
  const auto expect = [](const Status& status, const std::string& operation) {
    CHECK(status.code == ErrorCode::Unsupported);
    CHECK(status.message == operation + ": not available on device bare:0");
  };
  expect(b.allocate_host(nullptr, 1), "allocate_host");
  expect(b.feed_wait(0), "feed_wait");
  expect(b.feed(0, nullptr, nullptr, 1), "feed");
  expect(b.feed_begin(0), "feed_begin");
  expect(b.feed_end(0), "feed_end");
  expect(b.conv2d_forward(t, t, t, t, {}), "conv2d_forward");
  expect(b.conv2d_backward_data(t, t, t, {}, 0), "conv2d_backward_data");
  expect(b.conv2d_backward_filter(t, t, t, t, {}), "conv2d_backward_filter");
  expect(b.linear_forward(t, t, t, t), "linear_forward");
  expect(b.linear_backward_data(t, t, t), "linear_backward_data");
  expect(b.linear_backward_weight(t, t, t, t), "linear_backward_weight");
  expect(b.convert(t, t), "convert");
  expect(b.relu_forward(t, t), "relu_forward");
  expect(b.relu_backward(t, t, t), "relu_backward");
  expect(b.prelu_forward(t, t, t), "prelu_forward");
  expect(b.prelu_backward(t, t, t, t, t), "prelu_backward");
  expect(b.add(t, t, t), "add");
  expect(b.dropout_forward(t, t, {}, nullptr), "dropout_forward");
  expect(b.dropout_backward(t, t, {}, nullptr), "dropout_backward");
  expect(b.batch_norm_stats(t, t, t, t), "batch_norm_stats");
  expect(b.batch_norm_apply(t, t, t, t, t, t, t, {}), "batch_norm_apply");
  expect(b.batch_norm_backward(t, t, t, t, t, t, t, t, t, t, t, {}), "batch_norm_backward");
  expect(b.max_pool_forward(t, t, t, {}), "max_pool_forward");
  expect(b.max_pool_backward(t, t, t, {}), "max_pool_backward");
  expect(b.average_pool_forward(t, t, {}), "average_pool_forward");
  expect(b.average_pool_backward(t, t, {}), "average_pool_backward");
  expect(b.global_average_pool_forward(t, t), "global_average_pool_forward");
  expect(b.global_average_pool_backward(t, t), "global_average_pool_backward");
  expect(b.concat_write(t, t, 0), "concat_write");
  expect(b.concat_read(t, t, 0), "concat_read");
  expect(b.row_norms(t, t), "row_norms");
  expect(b.l2_scale_forward(t, t, t, nullptr), "l2_scale_forward");
  expect(b.l2_scale_backward(t, t, t, t, t, nullptr), "l2_scale_backward");
  expect(b.remove_radial(t, t, t), "remove_radial");
  expect(b.add_scaled_rows(t, t, t), "add_scaled_rows");
  expect(b.margin_softmax({}, {}), "margin_softmax");
  expect(b.scale_logits(t, t, t, t, t), "scale_logits");
  expect(b.softmax(t, t), "softmax");
  expect(b.column_sums(t, t), "column_sums");
  expect(b.column_stats(t, t, t, t), "column_stats");
  expect(b.scaled_bn_fold(t, t, t, t, {}), "scaled_bn_fold");
  expect(b.scaled_bn_backward(t, t, t, t, t, t, t, {}), "scaled_bn_backward");
  expect(b.running_average(t, t, 0, 1, nullptr), "running_average");
  expect(b.center_loss(t, nullptr, nullptr, t, t, t, 1, nullptr), "center_loss");
  expect(b.center_update(t, t, t, 1, nullptr), "center_update");
  expect(b.gather_images(t, t, {}, nullptr), "gather_images");
  expect(b.sgd(t, t, t, t, {}, nullptr, nullptr), "sgd");
  expect(b.adam(t, t, t, t, t, {}, nullptr, nullptr), "adam");
  expect(b.gradient_norm(nullptr, nullptr, t, nullptr), "gradient_norm");
}

}  // namespace margincore::test
