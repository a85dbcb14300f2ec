// Places buffers in one arena by lifetime: two buffers share memory when no moment needs both.
#pragma once

#include <cstdint>
#include <vector>

namespace margincore {

class ActivationPlan {
 public:
  using Id = int;

  /// A buffer needed from moment `begin` to moment `end`, both included.
  Id add(int64_t bytes, int begin, int end);
  /// Lengthens the life of a buffer, for a value that another layer works on in place.
  void extend(Id id, int begin, int end);
  /// Gives every buffer its offset; to be called once, after the last `add`.
  void arrange();

  int64_t offset(Id id) const { return buffers_[id].offset; }
  int64_t bytes() const { return bytes_; }

 private:
  struct Planned {
    int64_t bytes;
    int begin, end;
    int64_t offset = 0;
  };
  std::vector<Planned> buffers_;
  int64_t bytes_ = 0;
};

}  // namespace margincore
