#include "train/predictor.h"

#include <algorithm>
#include <cmath>

namespace margincore {

namespace { constexpr int64_t kMaxBatch = 128; }  // namespace

Predictor::Predictor(Backend& backend, const Network& network, const Head& head, const Parameters& parameters,
                     const Normalization& normalization, const ShardedClasses* sharded)
    : backend_(backend),
      network_(network),
      head_(head),
      parameters_(parameters),
      normalization_(backend, normalization),
      sharded_(sharded) {}

Predictor::Buffers::Buffers(Backend& backend, const Network& network, const Head& head, int64_t batch,
                            const Buffer* lent)
    : max_batch(batch),
      network_pass(network, batch, RecomputePolicy::ForwardOnly, backend.info(), plan),
      head_pass(head, batch, false, plan, network_pass.head_moment(), network_pass.last_moment()) {
  const int moment = network_pass.head_moment();
  const int64_t bytes = sizeof(float);
  probabilities = plan.add(batch * head.own_classes().count * bytes, moment, moment);
  if (head.is_sharded()) gathered = plan.add(batch * head.embedding_size() * bytes, moment, moment);
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
      if (error.code() != ErrorCode::OutOfMemory || batch == 1 || sharded_ != nullptr) throw;
      batch /= 2;
    }
  }
}

PredictResult Predictor::run(const PredictRequest& request, const std::atomic<bool>& cancelled) {
  PredictResult result;
  prepare(std::min(request.count, kMaxBatch));
  // Ranks that wait for one another go all the way.
  while (result.count < request.count && (sharded_ != nullptr || !cancelled.load(std::memory_order_relaxed))) {
    const int64_t batch = std::min(buffers_->max_batch, request.count - result.count);
    try {
      run_batch(request, result.count, batch);
      result.count += batch;
    } catch (const Error& error) {  // a library's workspace
      if (error.code() != ErrorCode::OutOfMemory || batch == 1 || sharded_ != nullptr) throw;
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

Tensor Predictor::embed_rows(const uint8_t* images, RowRange rows) {
  Buffers& buffers = *buffers_;
  const Shape& image = network_.input();
  check(backend_.upload(buffers.images.data(), images, rows.count * image.count()));
  GatherImages gather;
  gather.images = {buffers.images.data(), DType::U8, {rows.count, image[0], image[1], image[2]}};
  gather.scale = normalization_.scale();
  gather.shift = normalization_.shift();
  check(backend_.gather_images(buffers.network_pass.input(rows.count), {}, gather, nullptr));
  buffers.network_pass.forward(backend_, parameters_, {0, executed_batch(rows.count)}, nullptr);
  return buffers.network_pass.embedding(rows.count);
}

Tensor Predictor::embed(const PredictRequest& request, int64_t first, int64_t batch) {
  const uint8_t* const images = request.images + first * network_.input().count();
  if (sharded_ == nullptr) return embed_rows(images, {0, batch});
  const RowRange own = sharded_->own_of(batch);
  const int64_t size = head_.embedding_size();
  const Tensor all(static_cast<float*>(buffers_->activation(buffers_->gathered)), {batch, size});
  std::vector<float> staged(has_host_memory() ? 0 : all.count());  // what ranks join lies with the host
  float* const joined = has_host_memory() ? all.f32() : staged.data();
  if (own.count > 0) {
    const Tensor rows = embed_rows(images + own.first * network_.input().count(), own);
    check(backend_.download(joined + own.first * size, rows.data, rows.bytes()));
  }
  sharded_->join_batch(joined, batch, size);
  if (!has_host_memory()) check(backend_.upload(all.data, joined, all.bytes()));
  return all;
}

void Predictor::deliver_classes(float* to, int64_t first, Tensor own) const {
  to += first * head_.num_classes();
  if (sharded_ == nullptr) return check(backend_.download(to, own.data, own.bytes()));
  if (has_host_memory()) return sharded_->join_columns(to, own.f32(), own.shape[0]);
  std::vector<float> staged(own.count());
  check(backend_.download(staged.data(), own.data, own.bytes()));
  sharded_->join_columns(to, staged.data(), own.shape[0]);
}

void Predictor::run_batch(const PredictRequest& request, int64_t first, int64_t batch) {
  const Tensor embeddings = embed(request, first, batch);
  const auto planned = [&](ActivationPlan::Id id) { return static_cast<float*>(buffers_->activation(id)); };
  if (request.embeddings != nullptr) {
    Tensor result = embeddings;
    if (request.normalize_embeddings) {
      result = Tensor(planned(buffers_->unit_embeddings), embeddings.shape);
      const Tensor norms(planned(buffers_->norms), {batch});
      check(backend_.l2_scale_forward(result, norms, {}, embeddings, buffers_->one.f32()));
    }
    check(backend_.download(request.embeddings + first * result.shape[1], result.data, result.bytes()));
  }
  if (request.angles != nullptr) measure_angles(request, first, embeddings);
  if (request.scores == nullptr && request.probabilities == nullptr && request.cosines == nullptr) return;
  const Tensor probabilities(planned(buffers_->probabilities), {batch, head_.own_classes().count});
  const Tensor cosines = request.cosines != nullptr ? probabilities : Tensor();  // gone before those come
  const Tensor scores = buffers_->head_pass.score(backend_, parameters_, embeddings, cosines);
  if (request.cosines != nullptr) deliver_classes(request.cosines, first, cosines);
  if (request.scores != nullptr) deliver_classes(request.scores, first, scores);
  if (request.probabilities == nullptr) return;
  if (sharded_ != nullptr) {
    float* const rows = request.probabilities + first * head_.num_classes();
    const Tensor whole(rows, {batch, head_.num_classes()});
    deliver_classes(request.probabilities, first, scores);
    return soften(whole);
  }
  check(backend_.softmax(probabilities, scores));
  deliver_classes(request.probabilities, first, probabilities);
}

/// Of scores that lie with the host.
void Predictor::soften(Tensor whole) const {
  if (has_host_memory()) return check(backend_.softmax(whole, whole));
  const Buffer buffer(backend_, whole.bytes());
  const Tensor device(buffer.f32(), whole.shape);
  check(backend_.upload(device.data, whole.data, whole.bytes()));
  check(backend_.softmax(device, device));
  check(backend_.download(whole.data, device.data, whole.bytes()));
}

/// The reduction over classes is done here: it runs once per epoch, over a few hundred images.
void Predictor::measure_angles(const PredictRequest& request, int64_t first, Tensor embeddings) {
  const HeadPass& head = buffers_->head_pass;
  const Tensor cosines = head.cosines(backend_, parameters_, embeddings);
  const int64_t rows = cosines.shape[0], classes = cosines.shape[1], first_class = head_.own_classes().first;
  std::vector<float> values(cosines.count()), norms(classes);
  check(backend_.download(values.data(), cosines.data, cosines.bytes()));
  check(backend_.download(norms.data(), head.class_norms().data, classes * sizeof(float)));
  std::vector<float> largest(2 * rows, -1);  // of each row: the own class's cosine, and the nearest other's
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < classes; ++j) {
      const float cosine = values[i * classes + j];
      if (first_class + j == request.labels[first + i]) largest[2 * i] = cosine;
      else largest[2 * i + 1] = std::max(largest[2 * i + 1], cosine);
    }
  if (sharded_ != nullptr) {
    sharded_->take_largest(largest);
    sharded_->join_rows(request.class_norms, norms.data(), 1);
  } else {
    std::copy(norms.begin(), norms.end(), request.class_norms);
  }
  std::transform(largest.begin(), largest.end(), request.angles + 2 * first,
                 [](float cosine) { return std::acos(std::clamp(cosine, -1.0f, 1.0f)); });
}

}  // namespace margincore
