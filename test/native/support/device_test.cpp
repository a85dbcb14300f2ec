// The harness sees what it is there to see.
#include "support/device.h"

#include <cmath>

#include "support/backends.h"

namespace margincore::test {

TEST_CASE("device: outputs are poisoned, inputs hold what was given") {
  for (Backend* backend : backends()) {
    Device device(*backend);
    for (float value : device.read(device.output({3, 5}))) CHECK(std::isnan(value));
    for (int32_t value : device.read_ints(device.output({7}, DType::I32))) CHECK(value == -1);
    CHECK(device.read(device.input(Floats{1, 2, 3}, {3})) == Floats{1, 2, 3});
    CHECK(device.damage() == "");
  }
}

TEST_CASE("device: a write beside a block, and a change of an input, are found") {
  for (Backend* backend : backends()) {
    for (const int64_t count : {1, 17}) {
      const auto damage_at = [&](int64_t byte_offset, bool is_input) {
        Device device(*backend);
        const Floats values(count, 1);
        const Tensor tensor = is_input ? device.input(values, {count}) : device.inout(values, {count});
        const uint8_t byte = 0;
        check(backend->upload(static_cast<char*>(tensor.data) + byte_offset, &byte, 1));
        return device.damage();
      };
      const int64_t bytes = count * 4;
      for (const int64_t before : {int64_t{-1}, int64_t{-256}})
        CHECK(damage_at(before, false).find("before its start") != std::string::npos);
      for (const int64_t after : {bytes, bytes + 255})
        CHECK(damage_at(after, false).find("past its end") != std::string::npos);
      CHECK(damage_at(bytes - 1, false) == "");
      CHECK(damage_at(bytes - 1, true).find("was changed") != std::string::npos);
    }
  }
}

}  // namespace margincore::test
