#include "train/predictor.h"

#include <algorithm>
#include <cmath>

namespace margincore {

namespace { constexpr int64_t kMaxBatch = 128; }  // namespace

Predictor::Predictor(Backend& backend, const Network& network, const Head& head, const Parameters& parameters,
                     const Normalization& normalization)
    : backend_(backend),
      network_(network),
      head_(head),
      parameters_(parameters),
      normalization_(backend, normalization) {}

Predictor::Buffers::Buffers(Backend& backend, const Network& network, const Head& head, int64_t batch,
                            const Buffer* lent)
    : max_batch(batch),
      network_pass(network, batch, RecomputePolicy::ForwardOnly, backend.info(), plan),
      head_pass(head, batch, false, plan, network_pass.head_moment(), network_pass.last_moment()) {
  const int moment = network_pass.head_moment();
  const int64_t bytes = sizeof(float);
  probabilities = plan.add(batch * head.num_classes() * bytes, moment, moment);
  unit_embeddings = plan.add(batch * head.embedding_size() * bytes, moment, moment);
  norms = plan.add(batch * bytes, moment, moment);
  plan.arrange();
  const auto needed = static_cast<size_t>(plan.bytes());
  if (lent == nullptr || lent->bytes() < needed) arena = Buffer(backend, needed);
  activations = arena.data() != nullptr ? arena.data() : lent->data();
  images = Buffer(backend, batch * network.input().count());
  one = Buffer(backend, sizeof(float));
  const float value = 1;
  check(backend.upload(one.data(), &value, sizeof value));
  network_pass.bind(plan, activations);
  head_pass.bind(backend, plan, activations);
}

void Predictor::lend(const Buffer* memory) {
  buffers_.reset();
  lent_ = memory;
}

/// Makes room for batches of up to `batch`: fewer where training has left no more memory.
void Predictor::prepare(int64_t batch) {
  if (buffers_ && buffers_->max_batch >= batch) return;
  make_buffers(batch);
}

void Predictor::make_buffers(int64_t batch) {
  buffers_.reset();  // before the others are made: both need not fit
  while (!buffers_) {
    try {
      buffers_ = std::make_unique<Buffers>(backend_, network_, head_, batch, lent_);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::OutOfMemory || batch == 1) throw;
      batch /= 2;
    }
  }
}

PredictResult Predictor::run(const PredictRequest& request, const std::atomic<bool>& cancelled) {
  PredictResult result;
  prepare(std::min(request.count, kMaxBatch));
  while (result.count < request.count && !cancelled.load(std::memory_order_relaxed)) {
    const int64_t batch = std::min(buffers_->max_batch, request.count - result.count);
    try {
      run_batch(request, result.count, batch);
      result.count += batch;
    } catch (const Error& error) {  // a library's workspace
      if (error.code() != ErrorCode::OutOfMemory || batch == 1) throw;
      make_buffers(batch / 2);
    }
  }
  return result;
}

/// With some more rows, whose results nobody reads, where each new size would cost a search: few sizes then do.
int64_t Predictor::executed_batch(int64_t batch) const {
  if (backend_.info().searches == 0) return batch;
  int64_t size = 1;
  while (size < batch) size *= 2;
  return std::min(size, buffers_->max_batch);
}

void Predictor::run_batch(const PredictRequest& request, int64_t first, int64_t batch) {
  Buffers& buffers = *buffers_;
  const Shape& image = network_.input();
  check(backend_.upload(buffers.images.data(), request.images + first * image.count(), batch * image.count()));
  GatherImages gather;
  gather.images = {buffers.images.data(), DType::U8, {batch, image[0], image[1], image[2]}};
  gather.scale = normalization_.scale();
  gather.shift = normalization_.shift();
  check(backend_.gather_images(buffers.network_pass.input(batch), {}, gather, nullptr));
  buffers.network_pass.forward(backend_, parameters_, {0, executed_batch(batch)}, nullptr);

  const Tensor embeddings = buffers.network_pass.embedding(batch);
  const auto deliver = [&](float* to, const Tensor& rows) {
    check(backend_.download(to + first * rows.shape[1], rows.data, rows.bytes()));
  };
  const auto planned = [&](ActivationPlan::Id id) { return static_cast<float*>(buffers.activation(id)); };
  if (request.embeddings != nullptr) {
    Tensor result = embeddings;
    if (request.normalize_embeddings) {
      result = Tensor(planned(buffers.unit_embeddings), embeddings.shape);
      const Tensor norms(planned(buffers.norms), {batch});
      check(backend_.l2_scale_forward(result, norms, {}, embeddings, buffers.one.f32()));
    }
    deliver(request.embeddings, result);
  }
  if (request.angles != nullptr) measure_angles(request, first, embeddings);
  if (request.scores == nullptr && request.probabilities == nullptr && request.cosines == nullptr) return;
  const Tensor probabilities(planned(buffers.probabilities), {batch, head_.num_classes()});
  const Tensor cosines = request.cosines != nullptr ? probabilities : Tensor();  // gone before those come
  const Tensor scores = buffers.head_pass.score(backend_, parameters_, embeddings, cosines);
  if (request.cosines != nullptr) deliver(request.cosines, cosines);
  if (request.scores != nullptr) deliver(request.scores, scores);
  if (request.probabilities != nullptr) {
    check(backend_.softmax(probabilities, scores));
    deliver(request.probabilities, probabilities);
  }
}

/// The reduction over classes is done here: it runs once per epoch, over a few hundred images.
void Predictor::measure_angles(const PredictRequest& request, int64_t first, Tensor embeddings) {
  const HeadPass& head = buffers_->head_pass;
  const Tensor cosines = head.cosines(backend_, parameters_, embeddings);
  const int64_t rows = cosines.shape[0], classes = cosines.shape[1];
  std::vector<float> values(cosines.count());
  check(backend_.download(values.data(), cosines.data, cosines.bytes()));
  check(backend_.download(request.class_norms, head.class_norms().data, classes * sizeof(float)));
  for (int64_t i = 0; i < rows; ++i) {
    const float* row = values.data() + i * classes;
    const int32_t label = request.labels[first + i];
    float nearest = -1;
    for (int64_t j = 0; j < classes; ++j)
      if (j != label) nearest = std::max(nearest, row[j]);
    float* angles = request.angles + 2 * (first + i);
    angles[0] = std::acos(std::clamp(row[label], -1.0f, 1.0f));
    angles[1] = std::acos(std::clamp(nearest, -1.0f, 1.0f));
  }
}

}  // namespace margincore
