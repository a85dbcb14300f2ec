#include "device_memory.h"
#include "kinds.h"
#include "repeat.h"
#include "specs.h"

namespace margincore::jobs {

namespace {

/// An operation over operands far larger than the card's cache, and the bytes that it must read and write.
struct Case {
  int64_t bytes;
  Operation run;
};

/// What the cases share: sizes are those of a large card divided by `divisor`.
struct Bench {
  Backend& backend;
  DeviceMemory memory;
  int64_t divisor;

  int64_t at_most(int64_t full) const { return std::max<int64_t>(full / divisor, 8); }
  Shape vector() const { return {at_most(int64_t{1} << 26)}; }  // 256 MiB of fp32
  Shape rows() const { return {at_most(131072), 512}; }         // 256 MiB
  // 195 MiB for 100,000 classes. Rows of other lengths than multiples of 4 do not begin at multiples of 16 bytes.
  Shape logits(int64_t classes = 100000) const { return {at_most(512), at_most(classes)}; }
  const StepBlock* step() {
    StepBlock block{};
    block.margin_ramp = 1;
    block.learning_rate = 1e-6f;
    block.momentum = 0.9f;
    return memory.one(block);
  }
};

using Maker = std::function<Case(Bench&)>;

Case copy(Bench& b) {
  const Tensor to = b.memory.zeros(b.vector()), from = b.memory.floats(b.vector());
  return {2 * to.bytes(), [=, &b] { return b.backend.copy(to.data, from.data, to.bytes()); }};
}

template <DType type>
Case relu_forward(Bench& b) {
  const Tensor y = b.memory.zeros(b.vector(), type), x = b.memory.activations(b.vector(), type);
  return {2 * x.bytes(), [=, &b] { return b.backend.relu_forward(y, x); }};
}

template <DType type>
Case relu_backward(Bench& b) {
  const Tensor dx = b.memory.zeros(b.vector(), type), dy = b.memory.activations(b.vector(), type);
  const Tensor y = b.memory.activations(b.vector(), type);
  return {3 * dx.bytes(), [=, &b] { return b.backend.relu_backward(dx, dy, y); }};
}

template <DType to, DType from>
Case convert(Bench& b) {
  const Tensor y = b.memory.zeros(b.vector(), to), x = b.memory.activations(b.vector(), from);
  return {y.bytes() + x.bytes(), [=, &b] { return b.backend.convert(y, x); }};
}

Case dropout(Bench& b) {
  const Tensor y = b.memory.zeros(b.vector()), x = b.memory.floats(b.vector());
  const StepBlock* step = b.step();
  return {2 * x.bytes(), [=, &b] { return b.backend.dropout_forward(y, x, {0.5f, 1}, step); }};
}

struct Pooled {
  Tensor x, y, position;
};

Pooled pooled(Bench& b, DType type) {
  const int64_t n = b.at_most(4096);
  return {b.memory.activations({n, 24, 24, 32}, type), b.memory.zeros({n, 12, 12, 32}, type),
          b.memory.zeros({n, 12, 12, 32}, DType::U8)};
}

template <DType type>
Case max_pool_forward(Bench& b) {
  const Pooled t = pooled(b, type);
  const Pool2d pool{2, 2, 0, 1};
  return {t.x.bytes() + t.y.bytes() + t.position.bytes(),
          [=, &b] { return b.backend.max_pool_forward(t.y, t.position, t.x, {}, pool); }};
}

template <DType type>
Case max_pool_backward(Bench& b) {
  const Pooled t = pooled(b, type);
  const Pool2d pool{2, 2, 0, 1};
  return {t.x.bytes() + t.y.bytes() + t.position.bytes(),
          [=, &b] { return b.backend.max_pool_backward(t.x, {}, t.y, t.position, pool); }};
}

/// An activation of ResNet-18's first stage: 256 MiB in fp32, half of that in bf16.
Shape image(Bench& b) { return {b.at_most(1024), 32, 32, 64}; }

struct Normalized {
  Tensor x, y, mean, variance, gamma, beta;
};

Normalized normalized(Bench& b, DType type) {
  const Normalized t{b.memory.activations(image(b), type),
                     b.memory.zeros(image(b), type),
                     b.memory.zeros({64}),
                     b.memory.zeros({64}),
                     b.memory.floats({64}),
                     b.memory.floats({64})};
  check(b.backend.batch_norm_stats(t.mean, t.variance, {}, t.x));
  return t;
}

const BatchNorm kWithRelu{1e-5f, 1};

template <DType type>
Case batch_norm_stats(Bench& b) {
  const Normalized t = normalized(b, type);
  return {t.x.bytes(), [=, &b] { return b.backend.batch_norm_stats(t.mean, t.variance, {}, t.x); }};
}

/// With a residual, as at the end of a block.
template <DType type>
Case batch_norm_apply(Bench& b) {
  const Normalized t = normalized(b, type);
  const Tensor residual = b.memory.activations(image(b), type);
  const Tensor mask = b.memory.zeros({t.x.count() / kMaskedChannels}, DType::U8);
  return {3 * t.x.bytes() + mask.bytes(), [=, &b] {
            return b.backend.batch_norm_apply(t.y, mask, t.x, t.mean, t.variance, t.gamma, t.beta, residual, kWithRelu);
          }};
}

template <DType type>
Case batch_norm_backward(Bench& b) {
  const Normalized t = normalized(b, type);
  const Tensor dy = b.memory.activations(image(b), type), dgamma = b.memory.zeros({64}), dbeta = b.memory.zeros({64});
  // dy and x read for the sums over the batch, both read again for the gradient, which is written.
  return {5 * t.x.bytes(), [=, &b] {
            return b.backend.batch_norm_backward(t.y, dgamma, dbeta, {}, dy, t.x, {}, t.mean, t.variance, t.gamma,
                                                 t.beta, kWithRelu);
          }};
}

template <DType type>
Case prelu_forward(Bench& b) {
  const Tensor y = b.memory.zeros(image(b), type), x = b.memory.activations(image(b), type),
               slope = b.memory.floats({64});
  return {2 * x.bytes(), [=, &b] { return b.backend.prelu_forward(y, x, slope); }};
}

template <DType type>
Case prelu_backward(Bench& b) {
  const Tensor dx = b.memory.zeros(image(b), type), dy = b.memory.activations(image(b), type);
  const Tensor x = b.memory.activations(image(b), type), slope = b.memory.floats({64}), dslope = b.memory.zeros({64});
  return {3 * x.bytes(), [=, &b] { return b.backend.prelu_backward(dx, dslope, dy, x, slope); }};
}

template <DType type>
Case concat_write(Bench& b) {
  const Tensor part = b.memory.activations(image(b), type), whole = b.memory.zeros({part.shape[0], 32, 32, 96}, type);
  return {2 * part.bytes(), [=, &b] { return b.backend.concat_write(whole, part, 32); }};
}

template <DType type>
Case average_pool_forward(Bench& b) {
  const Tensor x = b.memory.activations(image(b), type), y = b.memory.zeros({x.shape[0], 16, 16, 64}, type);
  return {x.bytes() + y.bytes(), [=, &b] { return b.backend.average_pool_forward(y, x, Pool2d{2, 2, 0, 0}); }};
}

template <DType type>
Case average_pool_backward(Bench& b) {
  const Tensor dx = b.memory.zeros(image(b), type), dy = b.memory.activations({dx.shape[0], 16, 16, 64}, type);
  return {dx.bytes() + dy.bytes(), [=, &b] { return b.backend.average_pool_backward(dx, dy, Pool2d{2, 2, 0, 0}); }};
}

Case row_norms(Bench& b) {
  const Tensor x = b.memory.floats(b.rows()), norms = b.memory.zeros({x.shape[0]});
  return {x.bytes(), [=, &b] { return b.backend.row_norms(norms, x); }};
}

Case l2_scale_forward(Bench& b) {
  const Tensor y = b.memory.zeros(b.rows()), x = b.memory.floats(b.rows()), norms = b.memory.zeros({x.shape[0]});
  const float* scale = b.memory.one(16.0f);
  return {2 * x.bytes(), [=, &b] { return b.backend.l2_scale_forward(y, norms, {}, x, scale); }};
}

Case l2_scale_backward(Bench& b) {
  const Tensor dx = b.memory.zeros(b.rows()), dy = b.memory.floats(b.rows()), x = b.memory.floats(b.rows());
  const Tensor norms = b.memory.zeros({x.shape[0]});
  check(b.backend.row_norms(norms, x));
  const float* scale = b.memory.one(16.0f);
  return {3 * x.bytes(), [=, &b] { return b.backend.l2_scale_backward(dx, {}, dy, x, norms, scale); }};
}

Case remove_radial(Bench& b) {
  const Tensor dx = b.memory.floats(b.rows()), x = b.memory.floats(b.rows()), norms = b.memory.zeros({x.shape[0]});
  check(b.backend.row_norms(norms, x));
  return {3 * x.bytes(), [=, &b] { return b.backend.remove_radial(dx, x, norms); }};
}

template <int64_t classes>
Case margin_softmax(Bench& b) {
  const Shape shape = b.logits(classes);
  const int64_t n = shape[0], c = shape[1], d = 64;
  MarginSoftmaxOperands o;
  o.logits = b.memory.floats(shape, 0.1f);
  o.report = b.memory.one(StepReport{});
  o.halted = b.memory.one(int32_t{0});
  o.labels = b.memory.integers(n, c);
  o.features = b.memory.floats({n, d});
  o.class_weights = b.memory.floats({c, d});
  o.feature_norms = b.memory.zeros({n});
  o.class_norms = b.memory.zeros({c});
  check(b.backend.row_norms(o.feature_norms, o.features));
  check(b.backend.row_norms(o.class_norms, o.class_weights));
  o.step = b.step();
  MarginSoftmax head;
  head.margin.m2 = 0.5f;
  head.normalize_weights = 1;
  // Once for the sums and once for the gradients read, once written.
  return {3 * o.logits.bytes(), [=, &b] { return b.backend.margin_softmax(o, head); }};
}

Case softmax(Bench& b) {
  const Tensor p = b.memory.zeros(b.logits()), z = b.memory.floats(b.logits());
  return {3 * z.bytes(), [=, &b] { return b.backend.softmax(p, z); }};
}

Case scale_logits(Bench& b) {
  const Tensor z = b.memory.floats(b.logits()), rows = b.memory.floats({z.shape[0]}),
               columns = b.memory.floats({z.shape[1]});
  return {2 * z.bytes(), [=, &b] { return b.backend.scale_logits(z, rows, columns, {}, {}); }};
}

Case column_stats(Bench& b) {
  const Tensor p = b.memory.floats(b.logits()), mean = b.memory.zeros({p.shape[1]}),
               variance = b.memory.zeros({p.shape[1]});
  return {p.bytes(), [=, &b] { return b.backend.column_stats(mean, variance, p, {}); }};
}

Case scaled_bn_backward(Bench& b) {
  const Tensor dp = b.memory.floats(b.logits(), 1e-3f), p = b.memory.floats(b.logits());
  const Tensor mean = b.memory.zeros({p.shape[1]}), variance = b.memory.zeros({p.shape[1]});
  const Tensor labels = b.memory.integers(p.shape[0], p.shape[1]), terms = b.memory.floats({p.shape[0], 2}, 1e-3f);
  check(b.backend.column_stats(mean, variance, p, {}));
  // Both read for the sums over the batch, both read again for the gradient, which is written.
  return {5 * p.bytes(),
          [=, &b] { return b.backend.scaled_bn_backward(dp, p, labels, terms, mean, variance, {}, {1, 1e-5f}); }};
}

Case gather_images(Bench& b) {
  const int64_t n = b.at_most(60000);
  GatherImages gather;
  gather.images = b.memory.zeros({n, 28, 28, 1}, DType::U8);
  gather.labels = b.memory.integers(n, 10);
  gather.order = b.memory.integers(n, n);
  gather.scale = b.memory.floats({1});
  gather.shift = b.memory.floats({1});
  const Tensor batch = b.memory.zeros({n, 28, 28, 1}), labels = b.memory.integers(n, 10);
  const StepBlock* step = b.step();
  return {batch.bytes() + gather.images.bytes(),
          [=, &b] { return b.backend.gather_images(batch, labels, gather, step); }};
}

Case sgd(Bench& b) {
  const Tensor p = b.memory.floats(b.vector()), v = b.memory.zeros(b.vector()), g = b.memory.floats(b.vector());
  const StepBlock* step = b.step();
  const int32_t* halted = b.memory.one(int32_t{0});
  const UpdateGroup* groups = b.memory.one(UpdateGroup{.end = p.count()});
  const UpdateOperands operands{p, {}, v, {}, {{}, g}, nullptr, groups, step, halted};
  return {5 * p.bytes(), [=, &b] { return b.backend.sgd(operands, {}); }};
}

Case adam(Bench& b) {
  const Tensor p = b.memory.floats(b.vector()), m = b.memory.zeros(b.vector()), v = b.memory.zeros(b.vector());
  const Tensor g = b.memory.floats(b.vector());
  const StepBlock* step = b.step();
  const int32_t* halted = b.memory.one(int32_t{0});
  const UpdateGroup* groups = b.memory.one(UpdateGroup{.end = p.count()});
  const UpdateOperands operands{p, {}, m, v, {{}, g}, nullptr, groups, step, halted};
  return {7 * p.bytes(), [=, &b] { return b.backend.adam(operands, {}); }};
}

Case gradient_norm(Bench& b) {
  const Tensor g = b.memory.floats(b.vector());
  StepReport* report = b.memory.one(StepReport{});
  int32_t* halted = b.memory.one(int32_t{0});
  const StepBlock* step = b.step();
  return {g.bytes(), [=, &b] { return b.backend.gradient_norm(report, halted, nullptr, {{}, g}, nullptr, 0, step); }};
}

const std::map<std::string, Maker> kCases = {
    {"copy", copy},
    {"relu_forward", relu_forward<DType::F32>},
    {"relu_forward_bf16", relu_forward<DType::BF16>},
    {"relu_backward", relu_backward<DType::F32>},
    {"relu_backward_bf16", relu_backward<DType::BF16>},
    {"convert_to_bf16", convert<DType::BF16, DType::F32>},
    {"convert_to_fp32", convert<DType::F32, DType::BF16>},
    {"dropout_forward", dropout},
    {"max_pool_forward", max_pool_forward<DType::F32>},
    {"max_pool_forward_bf16", max_pool_forward<DType::BF16>},
    {"max_pool_backward", max_pool_backward<DType::F32>},
    {"max_pool_backward_bf16", max_pool_backward<DType::BF16>},
    {"batch_norm_stats", batch_norm_stats<DType::F32>},
    {"batch_norm_stats_bf16", batch_norm_stats<DType::BF16>},
    {"batch_norm_apply", batch_norm_apply<DType::F32>},
    {"batch_norm_apply_bf16", batch_norm_apply<DType::BF16>},
    {"batch_norm_backward", batch_norm_backward<DType::F32>},
    {"batch_norm_backward_bf16", batch_norm_backward<DType::BF16>},
    {"prelu_forward", prelu_forward<DType::F32>},
    {"prelu_forward_bf16", prelu_forward<DType::BF16>},
    {"prelu_backward", prelu_backward<DType::F32>},
    {"prelu_backward_bf16", prelu_backward<DType::BF16>},
    {"concat_write", concat_write<DType::F32>},
    {"concat_write_bf16", concat_write<DType::BF16>},
    {"average_pool_forward", average_pool_forward<DType::F32>},
    {"average_pool_forward_bf16", average_pool_forward<DType::BF16>},
    {"average_pool_backward", average_pool_backward<DType::F32>},
    {"average_pool_backward_bf16", average_pool_backward<DType::BF16>},
    {"row_norms", row_norms},
    {"l2_scale_forward", l2_scale_forward},
    {"l2_scale_backward", l2_scale_backward},
    {"remove_radial", remove_radial},
    {"margin_softmax", margin_softmax<100000>},
    {"margin_softmax_85742", margin_softmax<85742>},  // identities of MS1M-v2
    {"softmax", softmax},
    {"scale_logits", scale_logits},
    {"column_stats", column_stats},
    {"scaled_bn_backward", scaled_bn_backward},
    {"gather_images", gather_images},
    {"sgd", sgd},
    {"adam", adam},
    {"gradient_norm", gradient_norm},
};

}  // namespace

Answer bandwidth(const Job& job) {
  const std::string name = job.text("operation");
  const auto maker = kCases.find(name);
  if (maker == kCases.end()) throw Error(ErrorCode::InvalidOption, "job: operation '" + name + "' is unknown");
  const BackendPtr owner = open_backend(backend_of(job), options_of(job));
  Bench bench{*owner, DeviceMemory(*owner), job.integer("divisor", 1)};
  const Case measured = maker->second(bench);
  const Timing timing = time_operation(*owner, measured.run);
  return Answer()
      .add("seconds", timing.seconds)
      .add("repetitions", timing.repetitions)
      .add("bytes", static_cast<double>(measured.bytes));
}

}  // namespace margincore::jobs
