#include "nn/network_pass.h"

#include <algorithm>

namespace margincore {

namespace {

constexpr ActivationPlan::Id kNone = -1;

/// A sample's shape with the batch before it.
Shape batched(int64_t batch, const Shape& sample) {
  Shape shape{batch};
  for (int i = 0; i < sample.rank; ++i) shape.dims[shape.rank++] = sample[i];
  return shape;
}

}  // namespace

NetworkPass::NetworkPass(const Network& network, int64_t max_batch, RecomputePolicy policy, const BackendInfo& backend,
                         ActivationPlan& plan)
    : network_(network),
      moments_{static_cast<int>(network.nodes().size())},
      training_(policy != RecomputePolicy::ForwardOnly),
      liveness_(analyze_liveness(network, policy)),
      embedding_(kNone),
      embedding_gradient_(kNone),
      statistics_(kNone) {
  plan_values(max_batch, backend, plan);
  if (!training_) return;
  plan_again(max_batch, plan);
  plan_gradients(max_batch, plan);
  plan_statistics(plan);
}

int64_t NetworkPass::value_bytes(int64_t batch, int value) const {
  return batch * network_.shape(value).count() * size_of(network_.activations());
}

void NetworkPass::plan_values(int64_t max_batch, const BackendInfo& backend, ActivationPlan& plan) {
  const auto& nodes = network_.nodes();
  std::vector<int> readers(count() + 1, 0);
  for (const Network::Node& node : nodes)
    for (int input : node.inputs) ++readers[input];

  const auto producer_reads_again = [&](int value) {
    return training_ && network_.needs_gradient(value) && nodes[value - 1].layer->backward_needs_output();
  };
  for (int v = 0; v <= count(); ++v) {
    const Liveness& liveness = liveness_[v];
    const int end = liveness.is_needed_again() && !liveness.recomputed ? liveness.needed_until : liveness.end;
    if (v > 0) {
      const int from = nodes[v - 1].inputs[0];
      const bool reuse =
          nodes[v - 1].layer->forward_in_place() && from != 0 && readers[from] == 1 && !producer_reads_again(from);
      values_.push_back(reuse ? values_[from] : plan.add(value_bytes(max_batch, v), liveness.begin, end));
      if (reuse) plan.extend(values_[from], liveness.begin, end);
      const int64_t state = nodes[v - 1].layer->state_bytes(max_batch, training_ && backend.relu_masks != 0);
      const int until = training_ && network_.needs_gradient(v) ? moments_.backward(v - 1) : liveness.begin;
      states_.push_back(state > 0 ? plan.add(state, liveness.begin, until) : kNone);
    } else {
      values_.push_back(plan.add(value_bytes(max_batch, v), liveness.begin, end));
    }
  }
  if (network_.activations() == DType::F32) return;
  const int64_t bytes = max_batch * network_.embedding_size() * static_cast<int64_t>(sizeof(float));
  embedding_ = plan.add(bytes, moments_.head(), moments_.head());
  if (training_) embedding_gradient_ = plan.add(bytes, moments_.head(), moments_.head());
}

void NetworkPass::plan_again(int64_t max_batch, ActivationPlan& plan) {
  again_ = values_;
  recomputed_.resize(count());
  for (int v = 1; v <= count(); ++v) {
    const Liveness& liveness = liveness_[v];
    if (!liveness.recomputed) continue;
    again_[v] = plan.add(value_bytes(max_batch, v), liveness.needed_from, liveness.needed_until);
    recomputed_[moments_.node_at(liveness.needed_from)].push_back(v);
  }
}

bool NetworkPass::gives_first_gradient(int node, size_t operand) const {
  const std::vector<int>& inputs = network_.nodes()[node].inputs;
  const int value = inputs[operand];
  // Of a value that one node reads twice, the first operand.
  return liveness_[value].end == moments_.forward(node) &&
         std::find(inputs.begin(), inputs.end(), value) - inputs.begin() == static_cast<std::ptrdiff_t>(operand);
}

void NetworkPass::plan_gradients(int64_t max_batch, ActivationPlan& plan) {
  const auto& nodes = network_.nodes();
  gradients_.assign(count() + 1, kNone);
  gradients_[last_value()] = plan.add(value_bytes(max_batch, last_value()), moments_.head(),
                                      needs_embedding_gradient() ? moments_.backward(count() - 1) : moments_.head());
  parts_.resize(count());
  adds_.resize(count());
  for (int i = count() - 1; i >= 0; --i) {
    parts_[i].fill(kNone);
    if (!network_.needs_gradient(i + 1)) continue;
    for (size_t k = 0; k < nodes[i].inputs.size(); ++k) {
      const int v = nodes[i].inputs[k];
      if (!network_.needs_gradient(v)) continue;
      const int begin = moments_.backward(i), end = moments_.backward(v - 1);
      if (!gives_first_gradient(i, k) && k == 0 && nodes[i].layer->backward_adds()) {
        adds_[i] = true;
      } else if (!gives_first_gradient(i, k)) {
        parts_[i][k] = plan.add(value_bytes(max_batch, v), begin, begin);
      } else if (k == 0 && nodes[i].layer->backward_in_place()) {
        gradients_[v] = gradients_[i + 1];
        plan.extend(gradients_[v], begin, end);
      } else {
        gradients_[v] = plan.add(value_bytes(max_batch, v), begin, end);
      }
    }
  }
}

void NetworkPass::plan_statistics(ActivationPlan& plan) {
  int64_t bytes = 0;
  for (const Network::Node& node : network_.nodes())
    if (const auto running = node.layer->running_statistics())
      bytes += 2 * ParameterTable::aligned(running->channels) * static_cast<int64_t>(sizeof(float));
  if (bytes > 0) statistics_ = plan.add(bytes, 0, last_moment());
  statistics_count_ = bytes / static_cast<int64_t>(sizeof(float));
}

void NetworkPass::bind(const ActivationPlan& plan, void* arena) {
  plan_ = &plan;
  arena_ = static_cast<char*>(arena);
}

Tensor NetworkPass::at(Id id, int64_t batch, int index) const {
  return {arena_ + plan_->offset(id), network_.activations(), batched(batch, network_.shape(index))};
}

Tensor NetworkPass::gradient(int64_t batch, int index) const {
  return gradients_[index] == kNone ? Tensor() : at(gradients_[index], batch, index);
}

Tensor NetworkPass::embedding(int64_t batch) const {
  if (embedding_ == kNone) return value(batch, last_value()).as_matrix();
  return {arena_ + plan_->offset(embedding_), DType::F32, {batch, network_.embedding_size()}};
}

Tensor NetworkPass::embedding_gradient(int64_t batch) const {
  if (embedding_gradient_ == kNone) return gradient(batch, last_value()).as_matrix();
  return {arena_ + plan_->offset(embedding_gradient_), DType::F32, {batch, network_.embedding_size()}};
}

/// Where a layer's part of the batch's statistics lies: as far from their start as the running ones from theirs.
Tensor NetworkPass::batch_statistics(const Parameters& parameters, ParameterTable::Key running) const {
  const ParameterTable& table = parameters.table();
  const ParameterTable::Entry& entry = table.entry(running);
  const int64_t offset = entry.offset - table.state().offset;
  return {reinterpret_cast<float*>(arena_ + plan_->offset(statistics_)) + offset, entry.spec.shape};
}

Tensor NetworkPass::batch_statistics() const {
  if (statistics_ == kNone) return {};
  return {reinterpret_cast<float*>(arena_ + plan_->offset(statistics_)), {statistics_count_}};
}

LayerCall NetworkPass::call(Backend& backend, const Parameters& parameters, RowRange rows, const StepBlock* step,
                            int node, const std::vector<Id>& values, Operands& inputs) const {
  const int64_t batch = rows.count;
  const Network::Node& at_work = network_.nodes()[node];
  const auto value = [&](int index) { return at(values[index], batch, index); };
  for (size_t k = 0; k < at_work.inputs.size(); ++k) inputs[k] = value(at_work.inputs[k]);
  LayerCall call{.backend = backend,
                 .parameters = parameters,
                 .step = step,
                 .first_row = rows.first,
                 .training = training_,
                 .inputs = {inputs.data(), at_work.inputs.size()},
                 .y = value(node + 1)};
  if (states_[node] != kNone) call.state = arena_ + plan_->offset(states_[node]);
  if (const auto running = at_work.layer->running_statistics(); running && training_) {
    call.batch_mean = batch_statistics(parameters, running->mean);
    call.batch_variance = batch_statistics(parameters, running->variance);
  }
  return call;
}

/// Where there are no rows, only layers that exchange statistics have anything to do.
bool NetworkPass::takes_part(int node, RowRange rows) const {
  return rows.count > 0 || network_.nodes()[node].layer->running_statistics();
}

void NetworkPass::forward(Backend& backend, const Parameters& parameters, RowRange rows, const StepBlock* step,
                          const SharedBatch* shared) const {
  Operands inputs;
  for (int i = 0; i < count(); ++i) {
    if (!takes_part(i, rows)) continue;
    LayerCall operands = call(backend, parameters, rows, step, i, values_, inputs);
    operands.shared = shared;
    network_.nodes()[i].layer->forward(operands);
  }
  if (embedding_ != kNone && rows.count > 0)
    check(backend.convert(embedding(rows.count), value(rows.count, last_value()).as_matrix()));
}

void NetworkPass::backward(Backend& backend, const Parameters& parameters, RowRange rows, const StepBlock* step,
                           const SharedBatch* shared, const std::function<void(int)>& done) const {
  const int64_t batch = rows.count;
  if (embedding_gradient_ != kNone && needs_embedding_gradient() && batch > 0)
    check(backend.convert(gradient(batch, last_value()).as_matrix(), embedding_gradient(batch)));
  Operands inputs, dinputs;
  for (int i = count() - 1; i >= 0; --i) {
    if (!network_.needs_gradient(i + 1)) continue;
    if (!takes_part(i, rows)) {
      if (done) done(i);  // as where there are rows: all ranks exchange in the same order
      continue;
    }
    if (batch > 0)
      for (int v : recomputed_[i])
        network_.nodes()[v - 1].layer->recompute(call(backend, parameters, rows, step, v - 1, again_, inputs));
    const std::vector<int>& values = network_.nodes()[i].inputs;
    const auto part = [&](size_t k) { return at(parts_[i][k], batch, values[k]); };
    for (size_t k = 0; k < values.size(); ++k)
      dinputs[k] = parts_[i][k] != kNone ? part(k) : gradient(batch, values[k]);
    LayerCall operands = call(backend, parameters, rows, step, i, again_, inputs);
    operands.dy = gradient(batch, i + 1);
    operands.dinputs = {dinputs.data(), values.size()};
    operands.adds_to_dx = adds_[i];
    operands.shared = shared;
    network_.nodes()[i].layer->backward(operands);
    for (size_t k = 0; k < values.size(); ++k) {
      if (parts_[i][k] == kNone || batch == 0) continue;
      const Tensor sum = gradient(batch, values[k]);
      check(backend.add(sum, sum, part(k)));
    }
    if (done) done(i);
  }
}

void NetworkPass::update_state(Backend& backend, const Parameters& parameters, const int32_t* halted) const {
  // Neighbours in the arena of one momentum are one call.
  std::optional<RunningStatistics> first;
  ParameterTable::Range range{};
  const auto update = [&] {
    if (!first) return;
    const Tensor current(batch_statistics(parameters, first->mean).f32(), {range.count});
    check(backend.running_average(parameters.values_of(range), current, first->momentum, 1, halted));
  };
  for (const Network::Node& node : network_.nodes()) {
    const auto running = node.layer->running_statistics();
    if (!running) continue;
    const int64_t begin = parameters.table().entry(running->mean).offset;
    const int64_t count = 2 * ParameterTable::aligned(running->channels);
    if (first && running->momentum == first->momentum && begin == range.offset + range.count) {
      range.count += count;
      continue;
    }
    update();
    first = running;
    range = {begin, count};
  }
  update();
}

}  // namespace margincore
