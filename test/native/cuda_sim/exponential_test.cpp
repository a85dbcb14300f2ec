// device::exponential against fp64. Its product and constant are the card's; of its last step only what PTX promises is
// known here, 2 units in the last place (native/cuda/device.h).
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "cuda/device.h"
#include "support.h"

namespace margincore::cuda_sim {
namespace {

constexpr double kRounding = 0x1p-24;  // of one operation, relative
/// The constant's own error: |1.44269504f ln 2 − 1|, to two digits more than a neighbour of it would have.
constexpr double kConstant = 1.4e-8;
/// Where e^x is the smallest normal number.
const double kLast = std::log(static_cast<double>(std::numeric_limits<float>::min()));

/// How far e^x may be from the truth, relative: what the product is off counts by its exponent.
double limit(double x) { return std::abs(x) * (kRounding + kConstant) + kRounding; }

}  // namespace

TEST_CASE("exponential is e^x, as far as one rounded product can say") {
  double share = 0;
  int64_t tried = 0;
  // A prime step through all negative numbers down to the last that counts, by their bits.
  for (uint32_t bits = std::bit_cast<uint32_t>(-0.0f); std::bit_cast<float>(bits) > kLast; bits += 997, ++tried) {
    const float x = std::bit_cast<float>(bits);
    const double found = device::exponential(x), expected = std::exp(static_cast<double>(x));
    if (expected < 1.001 * static_cast<double>(std::numeric_limits<float>::min())) continue;  // may be flushed
    share = std::max(share, std::abs(found / expected - 1) / limit(x));
    REQUIRE(share <= 1);
    REQUIRE(found <= 1);
  }
  CHECK(tried > 1'000'000);
  CHECK(share > 0.8);  // so that another constant, even a neighbour of this one, is beyond it
}

TEST_CASE("exponential at its ends: 1 at 0, 0 below all normal numbers, and NaN shows") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  CHECK(device::exponential(0) == 1);
  CHECK(device::exponential(-0.0f) == 1);
  CHECK(device::exponential(-87.3f) > 0);
  for (const float x : {-87.4f, -100.0f, -104.0f, -1e4f, -std::numeric_limits<float>::max(), -kInfinity})
    CHECK(device::exponential(x) == 0);
  CHECK(std::isnan(device::exponential(std::numeric_limits<float>::quiet_NaN())));
}

}  // namespace margincore::cuda_sim
