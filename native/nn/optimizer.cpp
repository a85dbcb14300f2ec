#include "nn/optimizer.h"

#include <cmath>

#include "spec/fields.h"

namespace margincore {

namespace {

UpdateGroup group_of(const ParameterTable::Update& update, const OptimizerSpec& spec, int64_t begin) {
  const ParameterGroup group = update.group;
  const bool decays = group == ParameterGroup::BackboneDecay || group == ParameterGroup::HeadDecay;
  const bool head = !is_backbone(group);
  return {.end = update.range.offset + update.range.count - begin,
          .rate_multiplier = update.rate * (head ? spec.head_rate : 1),
          .weight_decay = decays ? spec.weight_decay : 0};
}

Buffer upload_groups(Backend& backend, const ParameterTable& table, const OptimizerSpec& spec) {
  std::vector<UpdateGroup> groups;
  for (const ParameterTable::Update& update : table.updates())
    groups.push_back(group_of(update, spec, table.trained().offset));
  Buffer uploaded(backend, groups.size() * sizeof(UpdateGroup));
  check(backend.upload(uploaded.data(), groups.data(), uploaded.bytes()));
  return uploaded;
}

Buffer zeros(Backend& backend, ParameterTable::Range range, const Work& work) {
  if (range.count == 0) return {};
  Buffer buffer(backend, range.count * sizeof(float));
  clear(backend, buffer.data(), static_cast<int64_t>(buffer.bytes()), work);
  return buffer;
}

}  // namespace

Optimizer::Optimizer(Backend& backend, const OptimizerSpec& spec, const Parameters& parameters, const Work& work)
    : spec_(spec) {
  check_ranges("optimizer", spec);
  groups_ = upload_groups(backend, parameters.table(), spec);
  if (spec.clip_gradients > 0) clip_factor_ = Buffer(backend, sizeof(float));
  const ParameterTable& table = parameters.table();
  first_ = zeros(backend, table.trained(), work);
  first_by_rows_ = zeros(backend, table.trained_by_rows(), work);
  if (spec.type == OptimizerSpec::Type::Sgd) return;
  second_ = zeros(backend, table.trained(), work);
  second_by_rows_ = zeros(backend, table.trained_by_rows(), work);
}

void Optimizer::measure(Backend& backend, const Parameters& parameters, StepReport* reports, int32_t* halted,
                        const StepTotals* totals, const StepBlock* step) const {
  const Gradients gradients = totals != nullptr ? parameters.shared_gradients() : parameters.gradients();
  check(backend.gradient_norm(reports, halted, clip_factor(), gradients, totals, spec_.clip_gradients, step));
}

void Optimizer::update(Backend& backend, const Parameters& parameters, const StepBlock* step,
                       const int32_t* halted) const {
  const ParameterTable& table = parameters.table();
  const Shape trained{table.trained().count};
  const UpdateOperands operands{.parameters = parameters.values_of(table.trained()),
                                .bf16_twin = parameters.bf16_twin_of(table.trained_bf16()),
                                .first_moment = {first_.f32(), trained},
                                .second_moment = {second_.f32(), trained},
                                .gradients = parameters.gradients(),
                                .clip_factor = clip_factor(),
                                .groups = static_cast<const UpdateGroup*>(groups_.data()),
                                .step = step,
                                .halted = halted};
  if (spec_.type == OptimizerSpec::Type::Sgd) {
    check(backend.sgd(operands, {.nesterov = spec_.nesterov}));
  } else {
    const Adam options{spec_.beta2, spec_.epsilon, spec_.type == OptimizerSpec::Type::AdamW};
    check(backend.adam(operands, options));
  }
}

void Optimizer::average(Backend& backend, const Parameters& average, const Parameters& parameters, uint64_t steps,
                        const int32_t* halted) const {
  const double decay = spec_.average_decay;
  const double weight_of_all = -std::expm1(static_cast<double>(steps) * std::log(decay));
  const auto rate = static_cast<float>((1 - decay) / weight_of_all);
  const ParameterTable::Range range = parameters.table().moved();
  check(backend.running_average(average.values_of(range), parameters.values_of(range), rate, 1, halted));
}

Tensor Optimizer::moment_of(const ParameterTable& table, const std::string& name, int64_t moment) const {
  const ParameterTable::Entry& entry = table.find(name);
  if (!entry.spec.is_trained()) throw Error(ErrorCode::InvalidOption, name + " is not trained: it has no moments");
  if (moment < 0 || moment >= moments())
    throw Error(ErrorCode::InvalidOption,
                format("this optimizer has %d moments, not a number %lld", moments(), static_cast<long long>(moment)));
  return this->moment(table, entry, moment);
}

Tensor Optimizer::moment(const ParameterTable& table, const ParameterTable::Entry& entry, int64_t moment) const {
  if (entry.spec.by_rows) {
    const Buffer& buffer = moment == 0 ? first_by_rows_ : second_by_rows_;
    return {buffer.f32() + entry.offset - table.trained_by_rows().offset, entry.spec.shape};
  }
  const Buffer& buffer = moment == 0 ? first_ : second_;
  return {buffer.f32() + entry.offset - table.trained().offset, entry.spec.shape};
}

std::vector<float> Optimizer::read_moment(Backend& backend, const ParameterTable& table, const std::string& name,
                                          int64_t moment) const {
  const Tensor from = moment_of(table, name, moment);
  std::vector<float> values(from.shape.count());
  check(backend.download(values.data(), from.data, values.size() * sizeof(float)));
  return values;
}

void Optimizer::write_moment(Backend& backend, const ParameterTable& table, const std::string& name, int64_t moment,
                             const std::vector<float>& values) {
  const Tensor to = moment_of(table, name, moment);
  expect_count(name, values.size(), to.shape.count());
  check(backend.upload(to.data, values.data(), values.size() * sizeof(float)));
}

}  // namespace margincore
