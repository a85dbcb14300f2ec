// The parameter arenas: one allocation for all parameters and one for their gradients of each type; tensors are views.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backend/buffer.h"
#include "base/row_range.h"
#include "nn/initializer.h"

namespace margincore {

/// What kinds of parameters there are. HeadDecay and HeadNoDecay are the classes', HeadShared is what all of them share.
/// State is what no gradient moves: centres, centroids, running statistics.
enum class ParameterGroup { BackboneDecay, BackboneNoDecay, HeadDecay, HeadNoDecay, HeadShared, State };

inline bool is_backbone(ParameterGroup group) {
  return group == ParameterGroup::BackboneDecay || group == ParameterGroup::BackboneNoDecay;
}

struct ParameterSpec {
  std::string name;
  Shape shape;
  ParameterGroup group;
  Initializer initializer = {};  // zeros
  DType used_as = DType::F32;    // BF16: operations read a twin of that type; of backbone weights only
  float rate = 1;                // multiplies the learning rate; 0: frozen, and so is a layer's state
  int64_t first_row = 0;         // where classes are sharded among ranks: of all rows these are those from here on,
  int64_t all_rows = 0;          // of so many; 0: all are here
  bool by_rows = false;          // a step changes some rows of it, which another parameter has meanwhile
  int rows_of = -1;              // that one: the key of the parameter whose rows it has, -1 of all others

  bool is_sharded() const { return all_rows > 0; }
  bool is_frozen() const { return rate == 0; }
  bool is_trained() const { return group != ParameterGroup::State && !is_frozen(); }
  /// Among what an update changes.
  bool is_updated() const { return is_trained() && !by_rows; }
};

/// Names, shapes and places of all parameters; made once, before anything is allocated.
class ParameterTable {
 public:
  /// The key under which the owner finds its tensor again.
  using Key = int;

  Key add(ParameterSpec spec);
  /// Gives every tensor its offset: what is frozen first, then what is updated, by group and rate, then what is trained by
  /// rows, then the state, each in the order of `add`. So what is updated is one range, and so is what has a bf16 twin, and what
  /// classes have of their own.
  void arrange();

  struct Entry {
    ParameterSpec spec;
    int64_t offset;    // in floats
    uint32_t ordinal;  // by group and order of `add` alone: the stream of its initial values, whatever is frozen
  };
  struct Range {
    int64_t offset, count;  // in floats
  };
  /// Parameters that are updated alike.
  struct Update {
    ParameterGroup group;
    float rate;
    Range range;
  };

  const std::vector<Entry>& entries() const { return entries_; }  // arena order
  const Entry& entry(Key key) const { return entries_[position_[key]]; }
  Key key(const std::string& name) const;  // throws InvalidOption
  const Entry& find(const std::string& name) const { return entry(key(name)); }
  const std::vector<Update>& updates() const { return updates_; }
  Range trained() const { return trained_; }  // but for what is so by rows
  Range trained_by_rows() const { return by_rows_; }
  /// Of what is trained, what other ranks have other rows of: its end, or nothing.
  Range trained_sharded() const { return sharded_; }
  Range state() const { return state_; }                                      // that is not frozen
  Range moved() const { return {trained_.offset, size_ - trained_.offset}; }  // both: what a step changes
  int64_t size() const { return size_; }                                      // floats, with padding between tensors
  Range bf16_range() const;                                                   // what has a bf16 twin, perhaps nothing
  Range trained_bf16() const;                                                 // of that, what is trained: its beginning
  int64_t bf16_gradients(const BackendInfo& backend) const;                   // floats of it with gradients in bf16
  int64_t parameter_count() const;        // but for state, frozen or not, without padding
  static int64_t aligned(int64_t count);  // floats that a tensor takes, with padding

 private:
  std::vector<Entry> entries_;
  std::vector<int> position_;  // by key; before `arrange` the same
  std::vector<Update> updates_;
  Range trained_{}, sharded_{}, by_rows_{}, state_{};
  int64_t size_ = 0;
};

class Parameters {
 public:
  /// Allocates the values, initialised from `seed`, or 0 without one; gradients come with `allocate_gradients`. Bytes
  /// that are written count as work done.
  Parameters(Backend& backend, const ParameterTable& table, std::optional<uint64_t> seed, const Work& work = Work());
  /// A copy of the values.
  Parameters(const Parameters& other, const Work& work);

  void allocate_gradients(const Work& work = Work());
  void release_gradients();

  const ParameterTable& table() const { return table_; }
  Tensor value(ParameterTable::Key key) const { return value(table_.entry(key)); }
  Tensor value(const ParameterTable::Entry& entry) const { return {values_.f32() + entry.offset, entry.spec.shape}; }
  /// Of a trained parameter.
  Tensor gradient(ParameterTable::Key key) const { return gradient_of(table_.entry(key)); }
  /// visit(part, whole) for each parameter that has rows of another one during a step.
  template <class Visit>
  void each_by_rows(const Visit& visit) const {
    for (const ParameterTable::Entry& part : table_.entries())
      if (part.spec.rows_of >= 0) visit(part, table_.entry(part.spec.rows_of));
  }
  /// What operations read: the value, or its bf16 twin.
  Tensor operand(ParameterTable::Key key) const;
  /// The bf16 twin of a range, or none.
  Tensor bf16_twin_of(ParameterTable::Range range) const;
  Tensor values_of(ParameterTable::Range range) const { return {values_.f32() + range.offset, {range.count}}; }
  /// Of all that is trained.
  Gradients gradients() const;
  /// Of that, what all ranks have, and the rest.
  Gradients shared_gradients() const;
  Gradients sharded_gradients() const;
  bool has_gradients() const { return f32_gradients_.data() != nullptr || bf16_gradients_.data() != nullptr; }

  /// Of the bits of all values but those that are sharded: those of two processes with the same parameters are the same.
  uint64_t checksum() const;

  std::vector<float> read_value(const std::string& name) const;
  std::vector<float> read_gradient(const std::string& name) const;
  void write_value(const std::string& name, const float* values, int64_t count);
  /// Once values were changed by operations that know no twins.
  void refresh_bf16_twins(const Work& work = Work());

  size_t value_bytes() const { return values_.bytes() + bf16_twins_.bytes(); }
  size_t gradient_bytes() const { return f32_gradients_.bytes() + bf16_gradients_.bytes(); }

 private:
  int64_t bf16_gradient_count() const { return static_cast<int64_t>(bf16_gradients_.bytes() / sizeof(BFloat16)); }
  Tensor gradient_of(const ParameterTable::Entry& entry) const;
  std::vector<float> read(const Tensor& tensor) const;  // of either type
  void initialize(uint64_t seed, const Work& work);
  /// before: how many values of the tensor other ranks have before these.
  void draw(float* values, const ParameterTable::Entry& entry, uint64_t seed, int64_t before, const Work& work);

  Backend& backend_;
  const ParameterTable& table_;
  Buffer values_, bf16_twins_;
  Buffer bf16_gradients_, f32_gradients_;  // of the first ones of what is trained, and of the others
};

/// Throws ShapeMismatch where a tensor would be written with another number of values than it has.
void expect_count(const std::string& name, size_t received, int64_t expected);

/// Initial values of one tensor, in its own layout. Random ones come from (seed, Weights, ordinal of the tensor, element).
std::vector<float> initial_values(const ParameterSpec& spec, uint64_t seed, uint32_t ordinal);

/// Elements begin…end of them, of all kinds but Centroids.
void draw_values(float* to, const Initializer& init, uint64_t seed, uint32_t ordinal, int64_t begin, int64_t end);

}  // namespace margincore
