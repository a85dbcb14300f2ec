// The parameter arenas: one allocation for all parameters and one for their gradients; tensors are views.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "backend/buffer.h"
#include "nn/initializer.h"

namespace margincore {

/// Parameters that are updated alike lie together, in this order, so that an optimizer step is one call per group.
/// State is what no gradient moves: centres, centroids, running statistics. It lies behind all that is trained.
enum class ParameterGroup { BackboneDecay, BackboneNoDecay, HeadDecay, HeadNoDecay, State };
inline constexpr int kTrainedGroups = 4;
inline constexpr int kParameterGroups = 5;

struct ParameterSpec {
  std::string name;
  Shape shape;
  ParameterGroup group;
  Initializer initializer = {};  // zeros
  DType used_as = DType::F32;    // BF16: operations read a twin of that type; of backbone weights only
};

/// Names, shapes and places of all parameters; made once, before anything is allocated.
class ParameterTable {
 public:
  /// The key under which the owner finds its tensor again.
  using Key = int;

  Key add(ParameterSpec spec);
  /// Sorts into groups, keeping the order of `add` inside each, and gives every tensor its offset.
  void arrange();

  struct Entry {
    ParameterSpec spec;
    int64_t offset;  // in floats
  };
  struct Range {
    int64_t offset, count;  // in floats
  };

  const std::vector<Entry>& entries() const { return entries_; }  // arena order
  const Entry& entry(Key key) const { return entries_[position_[key]]; }
  const Entry& find(const std::string& name) const;  // throws InvalidOption
  Range group(int index) const { return groups_[index]; }
  int64_t size() const { return size_; }  // floats, with padding between tensors
  int64_t trained_size() const { return size_ - group(static_cast<int>(ParameterGroup::State)).count; }
  Range bf16_range() const;               // what has a bf16 twin, perhaps nothing
  int64_t parameter_count() const;        // of what is trained, without padding
  static int64_t aligned(int64_t count);  // floats that a tensor takes, with padding

 private:
  std::vector<Entry> entries_;
  std::vector<int> position_;  // by key
  std::array<Range, kParameterGroups> groups_{};
  int64_t size_ = 0;
};

class Parameters {
 public:
  /// Allocates the values, initialised from `seed`, or 0 without one; gradients come with `allocate_gradients`. Bytes
  /// that are written count as work done.
  Parameters(Backend& backend, const ParameterTable& table, std::optional<uint64_t> seed, const Work& work = Work());

  void allocate_gradients(const Work& work = Work());
  void release_gradients() { gradients_ = Buffer(); }

  const ParameterTable& table() const { return table_; }
  Tensor value(ParameterTable::Key key) const { return view(values_, table_.entry(key)); }
  Tensor gradient(ParameterTable::Key key) const { return view(gradients_, table_.entry(key)); }
  /// What operations read: the value, or its bf16 twin.
  Tensor operand(ParameterTable::Key key) const;
  /// The bf16 twin of a range, or none.
  Tensor bf16_twin_of(ParameterTable::Range range) const;
  Tensor values_of(ParameterTable::Range range) const { return view(values_, range); }
  Tensor gradients_of(ParameterTable::Range range) const { return view(gradients_, range); }
  bool has_gradients() const { return gradients_.data() != nullptr; }

  std::vector<float> read_value(const std::string& name) const;
  std::vector<float> read_gradient(const std::string& name) const;
  void write_value(const std::string& name, const float* values, int64_t count);

  size_t value_bytes() const { return values_.bytes() + bf16_twins_.bytes(); }
  size_t gradient_bytes() const { return gradients_.bytes(); }

 private:
  static Tensor view(const Buffer& arena, const ParameterTable::Entry& entry) {
    return {arena.f32() + entry.offset, entry.spec.shape};
  }
  static Tensor view(const Buffer& arena, ParameterTable::Range range) {
    return {arena.f32() + range.offset, {range.count}};
  }
  std::vector<float> read(const Buffer& arena, const std::string& name) const;
  void initialize(uint64_t seed, const Work& work);
  void draw(float* values, const Initializer& init, uint64_t seed, uint32_t ordinal, int64_t count, const Work& work);
  void refresh_bf16_twins(const Work& work = Work());

  Backend& backend_;
  const ParameterTable& table_;
  Buffer values_, gradients_, bf16_twins_;
};

/// Throws ShapeMismatch where a tensor would be written with another number of values than it has.
void expect_count(const std::string& name, size_t received, int64_t expected);

/// Initial values of one tensor, in its own layout. Random ones come from (seed, Weights, ordinal of the tensor, element).
std::vector<float> initial_values(const ParameterSpec& spec, uint64_t seed, uint32_t ordinal);

/// Elements begin…end of them, of all kinds but Centroids; `begin` is a multiple of 4, as many as one draw gives.
void draw_values(float* to, const Initializer& init, uint64_t seed, uint32_t ordinal, int64_t begin, int64_t end);

}  // namespace margincore
