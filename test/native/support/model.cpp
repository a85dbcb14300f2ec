#include "support/model.h"

namespace margincore::test {

Model::Model(Backend& backend, const NetworkSpec& network, const HeadSpec& head, int64_t batch, uint64_t seed,
             RecomputePolicy policy, std::span<const float> rates)
    : backend_(backend),
      network_(network, table_, rates),
      head_(head, network_.embedding_size(), table_),
      network_pass_(network_, batch, policy, backend.info(), plan_),
      head_pass_(head_, batch, true, plan_, network_pass_.head_moment(), network_pass_.last_moment()),
      labels_(backend, batch * sizeof(int32_t)),
      step_(backend, sizeof(StepBlock)),
      report_(backend, sizeof(StepReport)),
      halted_(backend, sizeof(int32_t)),
      batch_(batch) {
  table_.arrange();
  parameters_ = std::make_unique<Parameters>(backend, table_, seed);
  parameters_->allocate_gradients();
  plan_.arrange();
  arena_ = Buffer(backend, plan_.bytes());
  network_pass_.bind(plan_, arena_.data());
  head_pass_.bind(backend, plan_, arena_.data());
}

void Model::upload_images(const Floats& images) {
  const Tensor input = network_pass_.input(batch_);
  std::vector<BFloat16> rounded;
  if (input.dtype == DType::BF16)
    for (float value : images) rounded.push_back(to_bfloat16(value));
  const void* values = rounded.empty() ? static_cast<const void*>(images.data()) : rounded.data();
  check(backend_.upload(input.data, values, input.bytes()));
}

Floats Model::embed(const Floats& images, const StepBlock& step) {
  upload_images(images);
  check(backend_.upload(step_.data(), &step, sizeof step));
  network_pass_.forward(backend_, *parameters_, {0, batch_}, static_cast<const StepBlock*>(step_.data()));
  const Tensor embedding = network_pass_.embedding(batch_);
  Floats values(embedding.count());
  check(backend_.download(values.data(), embedding.data, embedding.bytes()));
  return values;
}

double Model::loss(const Floats& images, const Ints& labels, const StepBlock& step) {
  upload_images(images);
  check(backend_.upload(labels_.data(), labels.data(), labels_.bytes()));
  check(backend_.upload(step_.data(), &step, sizeof step));
  check(backend_.zero(halted_.data(), halted_.bytes()));
  const auto* block = static_cast<const StepBlock*>(step_.data());
  network_pass_.forward(backend_, *parameters_, {0, batch_}, block);
  head_pass_.train(backend_, *parameters_, network_pass_.embedding_gradient(batch_), network_pass_.embedding(batch_),
                   {{labels_.data(), DType::I32, {batch_}},
                    block,
                    static_cast<StepReport*>(report_.data()),
                    static_cast<int32_t*>(halted_.data()),
                    {},
                    network_pass_.needs_embedding_gradient()});
  network_pass_.backward(backend_, *parameters_, {0, batch_}, block);
  StepReport report;
  check(backend_.download(&report, report_.data(), sizeof report));
  return report.loss;
}

NetworkSpec seed_cnn(int64_t embedding_size) {
  return {{28, 28, 1},
          {{"conv1", Conv2dSpec{32, 5, 5}},
           {"", ReluSpec{}},
           {"", MaxPool2dSpec{2, 2}},
           {"conv2", Conv2dSpec{64, 3, 3}},
           {"", ReluSpec{}},
           {"", MaxPool2dSpec{2, 2}},
           {"embedding", LinearSpec{embedding_size}}}};
}

namespace {

/// Appends layers; each answers with its index.
class ResNetBuilder {
 public:
  int convolution(int input, int64_t channels, int64_t kernel, int64_t stride) {
    return add(Conv2dSpec{channels, kernel, kernel, stride, kernel / 2, false}, {input});
  }
  int norm(int input) { return add(BatchNormSpec{}, {input}); }
  int relu(int input) { return add(ReluSpec{}, {input}); }

  int basic_block(int input, int64_t channels, int64_t stride, bool projects) {
    int out = relu(norm(convolution(input, channels, 3, stride)));
    out = norm(convolution(out, channels, 3, 1));
    const int shortcut = projects ? norm(convolution(input, channels, 1, stride)) : input;
    return relu(add(AddSpec{}, {out, shortcut}));
  }

  template <class Spec>
  int add(const Spec& spec, std::vector<int> inputs) {
    layers_.push_back({"", spec, std::move(inputs)});
    return static_cast<int>(layers_.size()) - 1;
  }

  std::vector<LayerSpec> take() { return std::move(layers_); }

 private:
  std::vector<LayerSpec> layers_;
};

}  // namespace

NetworkSpec resnet18(Shape input) {
  ResNetBuilder net;
  int out = net.relu(net.norm(net.convolution(kImage, 64, 3, 1)));
  for (const int64_t channels : {64, 128, 256, 512}) {
    const bool first = channels == 64;
    out = net.basic_block(out, channels, first ? 1 : 2, !first);
    out = net.basic_block(out, channels, 1, false);
  }
  net.add(GlobalAveragePoolSpec{}, {out});
  return {input, net.take()};
}

NetworkSpec l_softmax_net(Shape input) {
  NetworkSpec net{input, {}};
  const auto add = [&](const auto& spec) { net.layers.push_back({"", spec}); };
  const auto unit = [&](int64_t channels) {
    add(Conv2dSpec{channels, 3, 3, 1, std::nullopt});
    add(BatchNormSpec{});
    add(PReluSpec{});
  };
  unit(64);
  for (const int64_t channels : {64, 96, 128}) {
    for (int i = 0; i < 4; ++i) unit(channels);
    add(MaxPool2dSpec{2, 2});
  }
  add(LinearSpec{256});
  add(BatchNormSpec{});
  return net;
}

LayerSpec with_inputs(LayerSpec layer, std::vector<int> inputs) {
  layer.inputs = std::move(inputs);
  return layer;
}

HeadSpec arcface(int64_t classes, float s, float m) {
  HeadSpec head;
  head.num_classes = classes;
  head.normalize_features = head.normalize_weights = true;
  head.scale = s;
  head.margin.m2 = m;
  return head;
}

HeadSpec arcface_with_everything(int64_t classes) {
  HeadSpec head = arcface(classes, 8, 0.3f);
  head.learn_scale = true;
  head.feature_dropout = 0.25f;
  head.label_smoothing = 0.1f;
  head.class_weights.assign(classes, 1);
  head.class_weights[0] = 3;
  return head;
}

HeadSpec arcface_with_scaled_bn_and_centers(int64_t classes) {
  HeadSpec head = arcface(classes, 8, 0.3f);
  head.scaled_bn = ScaledBn{0.9f, 1e-5f};
  head.center_weight = 0.5f;
  return head;
}

HeadSpec softmax(int64_t classes) {
  HeadSpec head;
  head.num_classes = classes;
  head.bias = true;
  return head;
}

HeadSpec l_softmax(int64_t classes) {
  HeadSpec head;
  head.num_classes = classes;
  head.margin.m1 = 2;
  return head;
}

HeadSpec pedcc(int64_t classes) {
  HeadSpec head = arcface(classes, 7.5f, 0);
  head.margin.m3 = 0.35f;
  head.fixed_weights = true;
  head.center_weight = 2;
  return head;
}

}  // namespace margincore::test
