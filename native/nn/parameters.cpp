#include "nn/parameters.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "nn/centroids.h"

namespace margincore {

namespace {

constexpr int64_t kAlignment = 16;           // floats: every tensor starts on a cache line
constexpr int64_t kDrawnAtOnce = 1ll << 16;  // values that a thread draws in a millisecond, at most

/// In which groups lie. What ranks share comes before what each has of its own.
int order_of(const ParameterSpec& spec) {
  if (spec.by_rows && spec.is_trained()) return 5;
  switch (spec.group) {
    case ParameterGroup::BackboneDecay: return 0;
    case ParameterGroup::BackboneNoDecay: return 1;
    case ParameterGroup::HeadShared: return 2;
    case ParameterGroup::HeadDecay: return 3;
    case ParameterGroup::HeadNoDecay: return 4;
    case ParameterGroup::State: break;
  }
  return 6;
}

/// Where a tensor lies among the others. Of what is frozen the weights come last, and of what is trained first: then
/// their bf16 twins are one range.
auto place(const ParameterSpec& spec) {
  const int group = order_of(spec);
  return std::tuple(!spec.is_frozen(), spec.is_frozen() ? -group : group, spec.is_trained() ? spec.rate : 0);
}

void extend(ParameterTable::Range& range, int64_t begin, int64_t end) {
  if (range.count == 0) range.offset = begin;
  range.count = end - range.offset;
}

}  // namespace

int64_t ParameterTable::aligned(int64_t count) { return (count + kAlignment - 1) / kAlignment * kAlignment; }

ParameterTable::Key ParameterTable::add(ParameterSpec spec) {
  const auto key = static_cast<Key>(entries_.size());
  entries_.push_back({std::move(spec), 0, 0});
  position_.push_back(key);
  return key;
}

void ParameterTable::arrange() {
  std::vector<int> order(entries_.size());
  std::iota(order.begin(), order.end(), 0);
  // What has rows of others comes last: all else begins as without it.
  const auto kind = [&](int key) { return std::pair(entries_[key].spec.rows_of >= 0, entries_[key].spec.group); };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return kind(a) < kind(b); });
  for (size_t ordinal = 0; ordinal < order.size(); ++ordinal)
    entries_[order[ordinal]].ordinal = static_cast<uint32_t>(ordinal);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return place(entries_[a].spec) < place(entries_[b].spec); });
  std::vector<Entry> arranged;
  for (int key : order) {
    position_[key] = static_cast<int>(arranged.size());
    Entry entry = std::move(entries_[key]);
    entry.offset = size_;
    size_ += aligned(entry.spec.shape.count());
    const ParameterSpec& spec = entry.spec;
    if (spec.is_updated()) {
      extend(trained_, entry.offset, size_);
      if (spec.is_sharded()) extend(sharded_, entry.offset, size_);
      if (updates_.empty() || updates_.back().group != spec.group || updates_.back().rate != spec.rate)
        updates_.push_back({spec.group, spec.rate, {}});
      extend(updates_.back().range, entry.offset, size_);
    } else if (spec.is_trained()) {
      extend(by_rows_, entry.offset, size_);
    } else if (!spec.is_frozen()) {
      extend(state_, entry.offset, size_);
    }
    arranged.push_back(std::move(entry));
  }
  entries_ = std::move(arranged);
}

ParameterTable::Key ParameterTable::key(const std::string& name) const {
  for (size_t key = 0; key < entries_.size(); ++key)
    if (entries_[position_[key]].spec.name == name) return static_cast<Key>(key);
  std::string known;
  for (const Entry& entry : entries_) known += (known.empty() ? "" : ", ") + entry.spec.name;
  throw Error(ErrorCode::InvalidOption, "no parameter is named '" + name + "'; there are " + known);
}

ParameterTable::Range ParameterTable::bf16_range() const {
  Range range{};
  bool any = false;
  for (const Entry& entry : entries_) {
    if (entry.spec.group != ParameterGroup::BackboneDecay) continue;
    extend(range, entry.offset, entry.offset + aligned(entry.spec.shape.count()));
    any = any || entry.spec.used_as == DType::BF16;
  }
  return any ? range : Range{};
}

ParameterTable::Range ParameterTable::trained_bf16() const {
  const Range all = bf16_range();
  const int64_t beyond = all.offset + all.count - trained_.offset;
  return {trained_.offset, std::clamp<int64_t>(beyond, 0, trained_.count)};
}

int64_t ParameterTable::bf16_gradients(const BackendInfo& backend) const {
  return backend.bf16_gradients != 0 ? trained_bf16().count : 0;
}

int64_t ParameterTable::parameter_count() const {
  int64_t count = 0;
  for (const Entry& entry : entries_)
    if (entry.spec.group != ParameterGroup::State && entry.spec.rows_of < 0) count += entry.spec.shape.count();
  return count;
}

Parameters::Parameters(Backend& backend, const ParameterTable& table, std::optional<uint64_t> seed, const Work& work)
    : backend_(backend), table_(table), values_(backend, table.size() * sizeof(float)) {
  if (table.bf16_range().count > 0) bf16_twins_ = Buffer(backend, table.bf16_range().count * size_of(DType::BF16));
  if (seed) initialize(*seed, work);
  else clear(backend, values_.data(), static_cast<int64_t>(values_.bytes()), work);
  refresh_bf16_twins(work);
}

Parameters::Parameters(const Parameters& other, const Work& work)
    : backend_(other.backend_), table_(other.table_), values_(backend_, other.values_.bytes()) {
  if (other.bf16_twins_.data() != nullptr) bf16_twins_ = Buffer(backend_, other.bf16_twins_.bytes());
  check(backend_.copy(values_.data(), other.values_.data(), values_.bytes()));
  work.advance(static_cast<int64_t>(values_.bytes()));
  refresh_bf16_twins(work);
}

void Parameters::initialize(uint64_t seed, const Work& work) {
  for (const ParameterTable::Entry& entry : table_.entries()) {
    float* values = values_.f32() + entry.offset;
    const int64_t count = entry.spec.shape.count(), padding = ParameterTable::aligned(count) - count;
    const int64_t first = entry.spec.first_row * entry.spec.shape.row_count();
    if (entry.spec.initializer.kind == Initializer::Kind::Centroids) {
      const int64_t all = entry.spec.is_sharded() ? entry.spec.all_rows : entry.spec.shape[0];
      const std::vector<float> spread = centroids(all, entry.spec.shape[1], seed, work);
      upload(backend_, values, spread.data() + first, count * sizeof(float), work);
    } else {
      draw(values, entry, seed, first, work);
    }
    check(backend_.zero(values + count, padding * sizeof(float)));
    work.advance(padding * static_cast<int64_t>(sizeof(float)));
  }
}

/// Draws where the values belong, or a piece at a time on the way there: no second copy of a large tensor exists.
void Parameters::draw(float* values, const ParameterTable::Entry& entry, uint64_t seed, int64_t before,
                      const Work& work) {
  const int64_t count = entry.spec.shape.count();
  const auto draw_range = [&](float* to, int64_t first, int64_t size) {
    work.in_parallel(size, kDrawnAtOnce, [&](int64_t begin, int64_t end) {
      draw_values(to + begin, entry.spec.initializer, seed, entry.ordinal, before + first + begin,
                  before + first + end);
      work.advance((end - begin) * static_cast<int64_t>(sizeof(float)));
    });
  };
  if (backend_.info().host_memory != 0) {
    draw_range(values, 0, count);
    return;
  }
  constexpr int64_t kPiece = kPieceBytes / sizeof(float);
  std::vector<float> staged(std::min(count, kPiece));
  work.in_pieces(count, kPiece, [&](int64_t begin, int64_t end) {
    draw_range(staged.data(), begin, end - begin);
    check(backend_.upload(values + begin, staged.data(), (end - begin) * sizeof(float)));
  });
}

void Parameters::refresh_bf16_twins(const Work& work) {
  const ParameterTable::Range all = table_.bf16_range();
  work.in_pieces(all.count, kPieceBytes / sizeof(float), [&](int64_t begin, int64_t end) {
    const ParameterTable::Range range{all.offset + begin, end - begin};
    check(backend_.convert(bf16_twin_of(range), values_of(range)));
    work.advance((end - begin) * static_cast<int64_t>(size_of(DType::BF16)));
  });
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

void Parameters::allocate_gradients(const Work& work) {
  const int64_t bf16 = table_.bf16_gradients(backend_.info());
  if (bf16 > 0) bf16_gradients_ = Buffer(backend_, bf16 * size_of(DType::BF16));
  f32_gradients_ = Buffer(backend_, (table_.trained().count - bf16) * sizeof(float));
  // The padding between tensors stays zero.
  for (const Buffer* gradients : {&bf16_gradients_, &f32_gradients_})
    clear(backend_, gradients->data(), static_cast<int64_t>(gradients->bytes()), work);
}

void Parameters::release_gradients() {
  bf16_gradients_ = Buffer();
  f32_gradients_ = Buffer();
}

Gradients Parameters::gradients() const {
  const int64_t bf16 = bf16_gradient_count();
  return {.bf16 = {bf16_gradients_.data(), DType::BF16, {bf16}},
          .f32 = {f32_gradients_.f32(), {table_.trained().count - bf16}}};
}

Gradients Parameters::shared_gradients() const {
  Gradients shared = gradients();
  shared.f32.shape = {shared.f32.count() - table_.trained_sharded().count};
  return shared;
}

Gradients Parameters::sharded_gradients() const {
  const int64_t count = table_.trained_sharded().count;
  const Tensor all = gradients().f32;
  return {.bf16 = {}, .f32 = {all.f32() + all.count() - count, {count}}};
}

Tensor Parameters::gradient_of(const ParameterTable::Entry& entry) const {
  const int64_t place = entry.offset - table_.trained().offset, bf16 = bf16_gradient_count();
  if (place < bf16) return {bf16_gradients_.at(place * size_of(DType::BF16)), DType::BF16, entry.spec.shape};
  return {f32_gradients_.f32() + place - bf16, entry.spec.shape};
}

std::vector<float> Parameters::read(const Tensor& tensor) const {
  std::vector<float> values(tensor.count());
  if (tensor.dtype == DType::F32) {
    check(backend_.download(values.data(), tensor.data, tensor.bytes()));
  } else {
    std::vector<BFloat16> stored(values.size());
    check(backend_.download(stored.data(), tensor.data, tensor.bytes()));
    std::transform(stored.begin(), stored.end(), values.begin(), [](BFloat16 value) { return to_float(value); });
  }
  return values;
}

uint64_t Parameters::checksum() const {
  uint64_t sum = 0xcbf29ce484222325;  // FNV-1a, a word at a time
  std::vector<uint32_t> words;
  for (const ParameterTable::Entry& entry : table_.entries()) {
    if (entry.spec.is_sharded()) continue;
    const auto bytes = static_cast<int64_t>(entry.spec.shape.count() * sizeof(float));
    for (int64_t begin = 0; begin < bytes; begin += kPieceBytes) {
      const int64_t count = std::min(kPieceBytes, bytes - begin);
      words.resize(count / sizeof(uint32_t));
      check(backend_.download(words.data(), values_.at(entry.offset * sizeof(float) + begin), count));
      for (const uint32_t word : words) sum = (sum ^ word) * 0x100000001b3;
    }
  }
  return sum;
}

std::vector<float> Parameters::read_value(const std::string& name) const {
  const ParameterTable::Entry& entry = table_.find(name);
  return read({values_.f32() + entry.offset, entry.spec.shape});
}

std::vector<float> Parameters::read_gradient(const std::string& name) const {
  if (!has_gradients()) throw Error(ErrorCode::InvalidOption, "gradients were released when training ended");
  const ParameterTable::Entry& entry = table_.find(name);
  if (!entry.spec.is_trained()) throw Error(ErrorCode::InvalidOption, name + " is not trained: it has no gradient");
  if (entry.spec.by_rows)
    throw Error(ErrorCode::InvalidOption, name + " is trained by drawn rows: it has no gradient as a whole");
  return read(gradient_of(entry));
}

void Parameters::write_value(const std::string& name, const float* values, int64_t count) {
  const ParameterTable::Entry& entry = table_.find(name);
  expect_count(name, static_cast<size_t>(count), entry.spec.shape.count());
  check(backend_.upload(values_.f32() + entry.offset, values, count * sizeof(float)));
  if (entry.spec.used_as == DType::BF16) refresh_bf16_twins();
}

void expect_count(const std::string& name, size_t received, int64_t expected) {
  if (static_cast<int64_t>(received) == expected) return;
  throw Error(ErrorCode::ShapeMismatch, format("parameter %s has %lld values, received %zu", name.c_str(),
                                               static_cast<long long>(expected), received));
}

void draw_values(float* to, const Initializer& init, uint64_t seed, uint32_t ordinal, int64_t begin, int64_t end) {
  using Kind = Initializer::Kind;
  if (init.kind == Kind::Constant) {
    std::fill(to, to + (end - begin), static_cast<float>(init.value));
    return;
  }
  for (int64_t i = begin; i < end;) {
    const std::array<float, 4> four = initial_values_from(init, philox(seed, RandomPurpose::Weights, ordinal, i / 4));
    const int64_t skipped = i % 4, taken = std::min(4 - skipped, end - i);
    std::copy_n(four.begin() + skipped, taken, to + (i - begin));
    i += taken;
  }
}

std::vector<float> initial_values(const ParameterSpec& spec, uint64_t seed, uint32_t ordinal) {
  if (spec.initializer.kind == Initializer::Kind::Centroids) return centroids(spec.shape[0], spec.shape[1], seed);
  std::vector<float> values(spec.shape.count());
  draw_values(values.data(), spec.initializer, seed, ordinal, 0, spec.shape.count());
  return values;
}

}  // namespace margincore
