#include "nn/parameters.h"

#include <algorithm>
#include <numeric>

#include "nn/centroids.h"

namespace margincore {

namespace {

constexpr int64_t kAlignment = 16;  // floats: every tensor starts on a cache line

}  // namespace

int64_t ParameterTable::aligned(int64_t count) { return (count + kAlignment - 1) / kAlignment * kAlignment; }

ParameterTable::Key ParameterTable::add(ParameterSpec spec) {
  entries_.push_back({std::move(spec), 0});
  return static_cast<Key>(entries_.size()) - 1;
}

void ParameterTable::arrange() {
  std::vector<int> order(entries_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return entries_[a].spec.group < entries_[b].spec.group; });
  std::vector<Entry> arranged;
  position_.resize(entries_.size());
  for (int key : order) {
    position_[key] = static_cast<int>(arranged.size());
    Entry entry = std::move(entries_[key]);
    entry.offset = size_;
    size_ += aligned(entry.spec.shape.count());
    Range& group = groups_[static_cast<int>(entry.spec.group)];
    if (group.count == 0) group.offset = entry.offset;
    group.count = size_ - group.offset;
    arranged.push_back(std::move(entry));
  }
  entries_ = std::move(arranged);
}

const ParameterTable::Entry& ParameterTable::find(const std::string& name) const {
  std::string known;
  for (const Entry& entry : entries_) {
    if (entry.spec.name == name) return entry;
    known += (known.empty() ? "" : ", ") + entry.spec.name;
  }
  throw Error(ErrorCode::InvalidOption, "no parameter is named '" + name + "'; there are " + known);
}

ParameterTable::Range ParameterTable::bf16_range() const {
  const bool any = std::any_of(entries_.begin(), entries_.end(),
                               [](const Entry& entry) { return entry.spec.used_as == DType::BF16; });
  return any ? group(static_cast<int>(ParameterGroup::BackboneDecay)) : Range{};
}

int64_t ParameterTable::parameter_count() const {
  int64_t count = 0;
  for (const Entry& entry : entries_)
    if (entry.spec.group != ParameterGroup::State) count += entry.spec.shape.count();
  return count;
}

Parameters::Parameters(Backend& backend, const ParameterTable& table, std::optional<uint64_t> seed)
    : backend_(backend), table_(table), values_(backend, table.size() * sizeof(float)) {
  check(backend.zero(values_.data(), values_.bytes()));
  if (table.bf16_range().count > 0) bf16_twins_ = Buffer(backend, table.bf16_range().count * size_of(DType::BF16));
  if (seed) initialize(*seed);
  refresh_bf16_twins();
}

void Parameters::initialize(uint64_t seed) {
  uint32_t ordinal = 0;
  for (const ParameterTable::Entry& entry : table_.entries()) {
    const std::vector<float> values = initial_values(entry.spec, seed, ordinal++);
    check(backend_.upload(values_.f32() + entry.offset, values.data(), values.size() * sizeof(float)));
  }
}

void Parameters::refresh_bf16_twins() {
  const ParameterTable::Range range = table_.bf16_range();
  if (range.count > 0) check(backend_.convert(bf16_twin_of(range), values_of(range)));
}

Tensor Parameters::bf16_twin_of(ParameterTable::Range range) const {
  const ParameterTable::Range all = table_.bf16_range();
  if (range.offset < all.offset || range.offset + range.count > all.offset + all.count) return {};
  return {bf16_twins_.at((range.offset - all.offset) * size_of(DType::BF16)), DType::BF16, {range.count}};
}

Tensor Parameters::operand(ParameterTable::Key key) const {
  const ParameterTable::Entry& entry = table_.entry(key);
  if (entry.spec.used_as == DType::F32) return value(key);
  return {bf16_twin_of({entry.offset, entry.spec.shape.count()}).data, DType::BF16, entry.spec.shape};
}

void Parameters::allocate_gradients() {
  gradients_ = Buffer(backend_, table_.trained_size() * sizeof(float));
  check(backend_.zero(gradients_.data(), gradients_.bytes()));  // the padding between tensors stays zero
}

std::vector<float> Parameters::read(const Buffer& arena, const std::string& name) const {
  const ParameterTable::Entry& entry = table_.find(name);
  std::vector<float> values(entry.spec.shape.count());
  check(backend_.download(values.data(), arena.f32() + entry.offset, values.size() * sizeof(float)));
  return values;
}

std::vector<float> Parameters::read_value(const std::string& name) const { return read(values_, name); }

std::vector<float> Parameters::read_gradient(const std::string& name) const {
  if (!has_gradients()) throw Error(ErrorCode::InvalidOption, "gradients were released when training ended");
  if (table_.find(name).spec.group == ParameterGroup::State)
    throw Error(ErrorCode::InvalidOption, name + " is not trained: it has no gradient");
  return read(gradients_, name);
}

void Parameters::write_value(const std::string& name, const float* values, int64_t count) {
  const ParameterTable::Entry& entry = table_.find(name);
  const int64_t expected = entry.spec.shape.count();
  if (count != expected)
    throw Error(ErrorCode::ShapeMismatch, format("parameter %s has %lld values, received %lld", name.c_str(),
                                                 static_cast<long long>(expected), static_cast<long long>(count)));
  check(backend_.upload(values_.f32() + entry.offset, values, count * sizeof(float)));
  if (entry.spec.used_as == DType::BF16) refresh_bf16_twins();
}

std::vector<float> initial_values(const ParameterSpec& spec, uint64_t seed, uint32_t ordinal) {
  const Initializer& init = spec.initializer;
  using Kind = Initializer::Kind;
  if (init.kind == Kind::Centroids) return centroids(spec.shape[0], spec.shape[1], seed);
  std::vector<float> values(spec.shape.count(), static_cast<float>(init.value));
  if (init.kind == Kind::Constant) return values;
  for (size_t i = 0; i < values.size(); i += 4) {
    const std::array<float, 4> four = initial_values_from(init, philox(seed, RandomPurpose::Weights, ordinal, i / 4));
    std::copy_n(four.begin(), std::min<size_t>(4, values.size() - i), values.begin() + static_cast<ptrdiff_t>(i));
  }
  return values;
}

}  // namespace margincore
