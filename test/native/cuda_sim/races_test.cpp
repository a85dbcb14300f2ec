// Races between threads, which ThreadSanitizer sees though every order gives the right result. A program of its own, which
// is linked with it.
#include "races.h"

#include "cuda/device.h"
#include "support.h"

// ThreadSanitizer asks for these: a report is counted, and fails the test in which it is not expected (support.h).
extern "C" {
[[gnu::visibility("default")]] const char* __tsan_default_options() { return "exitcode=0:suppress_equal_addresses=0"; }
[[gnu::visibility("default")]] void __tsan_on_report(void*) { ++margincore::cuda_sim::race_reports; }
}

namespace margincore::cuda_sim {
namespace {

using namespace device;

enum class Access {
  OwnPlaces,         // each thread its own
  OnePlace,          // all threads add to one sum
  OnePlacePerBlock,  // the first thread of each block adds to one sum
  AcrossBarrier,
  AcrossShuffle,
  ReuseWithBarrier,
  ReuseWithoutBarrier,
};

MARGINCORE_KERNEL touch(float* to, Access access) {
  MARGINCORE_SHARED(float, numbers, 64);
  switch (access) {
    case Access::OwnPlaces: to[global_thread()] += 1; break;
    case Access::OnePlace: to[0] += 1; break;
    case Access::OnePlacePerBlock:
      if (thread() == 0) to[1] += 1;
      break;
    case Access::AcrossBarrier:
      numbers[thread()] = 1;
      sync_block();
      to[global_thread()] = numbers[threads() - 1 - thread()];
      break;
    case Access::AcrossShuffle:
      numbers[thread()] = 1;
      to[global_thread()] = shuffle_xor(1.0f, 1);
      to[global_thread()] += numbers[thread() ^ 1];
      break;
    case Access::ReuseWithBarrier:
    case Access::ReuseWithoutBarrier:
      for (int round = 0; round < 3; ++round) {
        numbers[thread()] = 1;
        sync_block();
        to[global_thread()] += numbers[threads() - 1 - thread()];
        if (access == Access::ReuseWithBarrier) sync_block();
      }
      break;
  }
}

}  // namespace

TEST_CASE("ThreadSanitizer sees threads that touch the same memory without a barrier between them") {
  REQUIRE(races::are_watched());
  Device device;
  const DeviceArray<float> to(std::vector<float>(4 * 64));
  const auto is_race = [&](Access access, int64_t blocks, int launches = 1) {
    CHECK(race_reports == 0);
    for (int i = 0; i < launches; ++i) MARGINCORE_LAUNCH(touch, blocks, 64, device.stream, to.data(), access);
    CHECK(device.synchronize() == cudaSuccess);
    return std::exchange(race_reports, 0) > 0;
  };
  for (const uint64_t seed : {0, 1, 2, 3}) {
    settings().shuffle = seed;
    CHECK_FALSE(is_race(Access::OwnPlaces, 4, 3));
    CHECK_FALSE(is_race(Access::OnePlacePerBlock, 1, 3));  // launches come one after another
    CHECK_FALSE(is_race(Access::AcrossBarrier, 4, 3));
    CHECK_FALSE(is_race(Access::ReuseWithBarrier, 4, 3));
  }
  settings().shuffle = 0;  // it need not happen
  CHECK(is_race(Access::OnePlace, 1));
  CHECK(is_race(Access::OnePlacePerBlock, 4));
  CHECK(is_race(Access::AcrossShuffle, 1));
  CHECK(is_race(Access::ReuseWithoutBarrier, 1));
}

}  // namespace margincore::cuda_sim
