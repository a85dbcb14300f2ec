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
  AcrossTicket,          // the last block reads what all have written
  AcrossNothing,         // the same, with no ticket to say that it is last
  TicketBeforeBarrier,   // taken before all threads have written
  TicketWithoutBarrier,  // not waited for by those who read
};

constexpr int kBlocks = 4;

/// Whether this block is the last that comes here.
MARGINCORE_DEVICE bool is_last(unsigned* counter, Access access) {
  MARGINCORE_SHARED(unsigned, ticket, 1);
  if (access == Access::AcrossNothing) return block() == kBlocks - 1;
  if (access != Access::TicketBeforeBarrier) sync_block();
  if (thread() == 0) ticket[0] = take_ticket(counter, kBlocks);
  if (access == Access::TicketWithoutBarrier) return block() == kBlocks - 1;
  sync_block();
  return ticket[0] == kBlocks - 1;
}

/// A template, for ThreadSanitizer reports no more than one race of each place in the code.
template <Access access>
MARGINCORE_DEVICE void join_blocks(float* to, unsigned* counter, float& sum) {
  to[global_thread()] = 1;
  if (!is_last(counter, access)) return;
  for (int64_t i = 0; i < kBlocks; ++i) sum += to[i * threads() + threads() - 1 - thread()];
}

MARGINCORE_KERNEL touch(float* to, unsigned* counter, Access access) {
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
    case Access::AcrossTicket: join_blocks<Access::AcrossTicket>(to, counter, numbers[thread()]); break;
    case Access::AcrossNothing: join_blocks<Access::AcrossNothing>(to, counter, numbers[thread()]); break;
    case Access::TicketBeforeBarrier: join_blocks<Access::TicketBeforeBarrier>(to, counter, numbers[thread()]); break;
    case Access::TicketWithoutBarrier: join_blocks<Access::TicketWithoutBarrier>(to, counter, numbers[thread()]); break;
  }
}

}  // namespace

TEST_CASE("ThreadSanitizer sees threads that touch the same memory without a barrier between them") {
  REQUIRE(races::are_watched());
  Device device;
  const DeviceArray<float> to(std::vector<float>(kBlocks * 64));
  const DeviceArray<unsigned> counter(std::vector<unsigned>(1));
  const auto is_race = [&](Access access, int64_t blocks, int launches = 1) {
    CHECK(race_reports == 0);
    for (int i = 0; i < launches; ++i)
      MARGINCORE_LAUNCH(touch, blocks, 64, device.stream, to.data(), counter.data(), access);
    CHECK(device.synchronize() == cudaSuccess);
    return std::exchange(race_reports, 0) > 0;
  };
  for (const uint64_t seed : {0, 1, 2, 3}) {
    settings().shuffle = seed;
    CHECK_FALSE(is_race(Access::OwnPlaces, kBlocks, 3));
    CHECK_FALSE(is_race(Access::OnePlacePerBlock, 1, 3));  // launches come one after another
    CHECK_FALSE(is_race(Access::AcrossBarrier, kBlocks, 3));
    CHECK_FALSE(is_race(Access::ReuseWithBarrier, kBlocks, 3));
    CHECK_FALSE(is_race(Access::AcrossTicket, kBlocks, 3));
  }
  settings().shuffle = 0;  // it need not happen
  CHECK(is_race(Access::OnePlace, 1));
  CHECK(is_race(Access::OnePlacePerBlock, kBlocks));
  CHECK(is_race(Access::AcrossShuffle, 1));
  CHECK(is_race(Access::ReuseWithoutBarrier, 1));
  CHECK(is_race(Access::AcrossNothing, kBlocks));
  CHECK(is_race(Access::TicketBeforeBarrier, kBlocks));
  CHECK(is_race(Access::TicketWithoutBarrier, kBlocks));
}

}  // namespace margincore::cuda_sim
