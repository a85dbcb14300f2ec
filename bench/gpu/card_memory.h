// The memory of the card that is in use, asked of the driver itself: the seam could only be asked after a backend was
// opened, with what its libraries take then.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

namespace margincore::jobs {

/// Holds the device's primary context, which the CUDA runtime uses too: what the context takes is not in a difference
/// of two values, here as in PyTorch's.
class CardMemory {
 public:
  explicit CardMemory(int32_t device_index);
  ~CardMemory();

  /// By all processes; nothing where there is no driver.
  std::optional<int64_t> used_bytes() const;

 private:
  struct Driver;
  std::unique_ptr<Driver> driver_;
};

}  // namespace margincore::jobs
