#include "nn/parameters.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace margincore {

namespace {

constexpr int64_t kAlignment = 16;  // floats: every tensor starts on a cache line

int64_t aligned(int64_t count) { return (count + kAlignment - 1) / kAlignment * kAlignment; }

/// Two standard normal numbers (Box–Muller), in double so that every machine rounds alike.
void normal_pair(uint32_t a, uint32_t b, double& first, double& second) {
  const double u1 = ((a >> 8) + 1) * 0x1p-24, u2 = (b >> 8) * 0x1p-24;
  const double radius = std::sqrt(-2 * std::log(u1)), angle = 2 * 3.14159265358979323846 * u2;
  first = radius * std::cos(angle);
  second = radius * std::sin(angle);
}

}  // namespace

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

int64_t ParameterTable::parameter_count() const {
  int64_t count = 0;
  for (const Entry& entry : entries_) count += entry.spec.shape.count();
  return count;
}

Parameters::Parameters(Backend& backend, const ParameterTable& table, uint64_t seed)
    : backend_(backend), table_(table), values_(backend, table.size() * sizeof(float)) {
  check(backend.zero(values_.data(), values_.bytes()));
  uint32_t ordinal = 0;
  for (const ParameterTable::Entry& entry : table.entries()) {
    const std::vector<float> values = initial_values(entry.spec, seed, ordinal++);
    check(backend.upload(values_.f32() + entry.offset, values.data(), values.size() * sizeof(float)));
  }
}

void Parameters::allocate_gradients() {
  gradients_ = Buffer(backend_, values_.bytes());
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
  return read(gradients_, name);
}

void Parameters::write_value(const std::string& name, const float* values, int64_t count) {
  const ParameterTable::Entry& entry = table_.find(name);
  const int64_t expected = entry.spec.shape.count();
  if (count != expected)
    throw Error(ErrorCode::ShapeMismatch, format("parameter %s has %lld values, received %lld", name.c_str(),
                                                 static_cast<long long>(expected), static_cast<long long>(count)));
  check(backend_.upload(values_.f32() + entry.offset, values, count * sizeof(float)));
}

std::vector<float> initial_values(const ParameterSpec& spec, uint64_t seed, uint32_t ordinal) {
  const Initializer& init = spec.initializer;
  std::vector<float> values(spec.shape.count(), init.value);
  if (init.kind == Initializer::Kind::Constant) return values;
  const double deviation = std::sqrt(2.0 / static_cast<double>(init.fan_in));
  const double bound = std::sqrt(6.0 / static_cast<double>(init.fan_in + init.fan_out));
  for (size_t i = 0; i < values.size(); i += 4) {
    const Random4 random = philox(seed, RandomPurpose::Weights, ordinal, i / 4);
    double drawn[4];
    if (init.kind == Initializer::Kind::HeNormal) {
      normal_pair(random.value[0], random.value[1], drawn[0], drawn[1]);
      normal_pair(random.value[2], random.value[3], drawn[2], drawn[3]);
      for (double& value : drawn) value *= deviation;
    } else {
      for (int k = 0; k < 4; ++k) drawn[k] = (2.0 * uniform01(random.value[k]) - 1) * bound;
    }
    for (size_t k = 0; k < 4 && i + k < values.size(); ++k) values[i + k] = static_cast<float>(drawn[k]);
  }
  return values;
}

}  // namespace margincore
