// Threads, barriers, shuffles and shared memory: that they work, and that each misuse shows.
#include <cmath>
#include <functional>
#include <numeric>
#include <string>

#include "cuda/device.h"
#include "races.h"
#include "support.h"

namespace margincore::cuda_sim {
namespace {

using namespace device;

constexpr int kSeeds = 20;

/// In order, then in random orders.
void in_all_orders(const std::function<void()>& body) {
  for (uint64_t seed = 0; seed <= kSeeds; ++seed) {
    settings().shuffle = seed;
    CAPTURE(seed);
    body();
  }
}

MARGINCORE_KERNEL number_threads(int64_t* numbers, int64_t count) {
  for (int64_t i = global_thread(); i < count; i += global_threads()) numbers[i] = 1000 * block() + thread();
}

struct Pair {
  float a;
  int64_t b;
};

MARGINCORE_KERNEL store_pair(Pair* to, Pair pair, float factor) {
  pair.a *= factor;  // each thread has its own copy
  to[thread()] = pair;
}

/// As the backend's reductions are: within a warp by shuffles, between warps through shared memory.
MARGINCORE_DEVICE float block_sum(float value) {
  MARGINCORE_SHARED(float, partial, kWarp);
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  if (lane() == 0) partial[warp()] = value;
  sync_block();
  value = thread() < threads() / kWarp ? partial[thread()] : 0;
  if (warp() == 0)
    for (int mask = kWarp / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  sync_block();  // partial may be used again
  return value;
}

MARGINCORE_KERNEL sum_rows(float* sums, const float* x, int64_t columns) {
  float sum = 0;
  for (int64_t i = thread(); i < columns; i += threads()) sum += x[block() * columns + i];
  sum = block_sum(sum);
  if (thread() == 0) sums[block()] = sum;
  const float twice = block_sum(thread() == 0 ? 2 * sum : 0);
  if (thread() == 0) sums[block()] += twice;
}

MARGINCORE_KERNEL exchange_lanes(int64_t* wide, int* narrow, int mask) {
  const int64_t place = global_thread();
  wide[place] = shuffle_xor(int64_t{1} << 40 | thread(), mask);
  narrow[place] = shuffle_xor(thread(), mask);
}

/// Thread 0 tells all others a number: `barrier` keeps them from reading it too early.
MARGINCORE_KERNEL broadcast(int* to, bool barrier) {
  MARGINCORE_SHARED(int, number, 1);
  if (thread() == 0) number[0] = 7;
  if (barrier) sync_block();
  to[global_thread()] = number[0];
}

/// The second use of a shared array has to wait for the last reader of the first.
MARGINCORE_KERNEL reuse(int* to, bool barrier) {
  MARGINCORE_SHARED(int, numbers, 64);
  int sum = 0;
  for (int round = 0; round < 3; ++round) {
    numbers[thread()] = round;
    sync_block();
    sum += numbers[threads() - 1 - thread()];
    if (barrier) sync_block();
  }
  to[thread()] = sum;
}

MARGINCORE_DEVICE int warp_sum(int value) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}

/// Two sums through one array. Between reading the first and overwriting it lie so many shuffles that a warp has to be
/// far ahead of another for the barrier to matter.
MARGINCORE_KERNEL sum_twice(int* to, bool barrier) {
  MARGINCORE_SHARED(int, partial, kWarp);
  to[thread()] = 0;
  for (int round = 0; round < 2; ++round) {
    const int part = warp_sum(round);
    if (barrier) sync_block();
    if (lane() == 0) partial[warp()] = part;
    sync_block();
    to[thread()] += warp_sum(lane() < threads() / kWarp ? partial[lane()] : 0);
  }
}

enum class Fault {
  DifferentBarriers,
  TooFewAtBarrier,
  BarrierAgainstShuffle,
  LanesMissing,
  LanesReturned,
  DifferentShuffles,
  MaskTooLarge,
  TooMuchSharedMemory,
};

MARGINCORE_KERNEL misuse(float* to, Fault fault) {
  const bool half = thread() % 2 == 0;
  switch (fault) {
    case Fault::DifferentBarriers:
      if (thread() < 40) sync_block();
      else sync_block();
      break;
    case Fault::TooFewAtBarrier:
      if (thread() < 40) sync_block();
      break;
    case Fault::BarrierAgainstShuffle:
      if (warp() == 0) sync_block();
      else if (half) to[0] = shuffle_xor(1.0f, 1);
      break;
    case Fault::LanesMissing:
      if (half) to[0] = shuffle_xor(1.0f, 2);
      else sync_block();
      break;
    case Fault::LanesReturned:
      if (thread() == 40) return;
      to[thread()] = shuffle_xor(1.0f, 2);
      break;
    case Fault::DifferentShuffles:
      if (half) to[0] = shuffle_xor(1.0f, 2);
      else to[0] = shuffle_xor(2.0f, 2);
      break;
    case Fault::MaskTooLarge: to[0] = shuffle_xor(1.0f, 32); break;
    case Fault::TooMuchSharedMemory: {
      sync_block();
      MARGINCORE_SHARED(float, large, 8192);
      MARGINCORE_SHARED(float, larger, 8192);
      large[thread()] = larger[thread()] = 0;
      break;
    }
  }
  to[thread()] = 1;
}

template <class T>
MARGINCORE_KERNEL show_shared(T* first, T* second) {
  MARGINCORE_SHARED(T, a, 16);
  MARGINCORE_SHARED(T, b, 16);
  if (thread() == 0) first[block()] = a[15];
  if (thread() == 0) second[block()] = b[0];
  sync_block();
  a[thread()] = b[thread()] = T(1);
}

/// The block with the last ticket adds up what all have written.
MARGINCORE_KERNEL sum_blocks(int64_t* sum, int64_t* values, unsigned* counter) {
  if (thread() != 0) return;
  values[block()] = block() + 1;
  if (take_ticket(counter, static_cast<unsigned>(blocks())) + 1 < blocks()) return;
  for (int64_t i = 0; i < blocks(); ++i) sum[0] += values[i];
}

MARGINCORE_KERNEL write_at(float* to, int64_t place) { to[place] = 1; }

}  // namespace

TEST_CASE("every thread of every block runs once, and strides cover what a grid does not") {
  Device device;
  in_all_orders([&] {
    for (const int64_t count : {1, 31, 6 * 33, 1000}) {
      const DeviceArray<int64_t> numbers(count);
      MARGINCORE_LAUNCH(number_threads, 6, 33, device.stream, numbers.data(), count);
      CHECK(device.synchronize() == cudaSuccess);
      for (int64_t i = 0; i < count; ++i) CHECK(numbers[i] == 1000 * (i % (6 * 33) / 33) + i % 33);
    }
  });
}

TEST_CASE("a launch is queued with a copy of its arguments") {
  Device device;
  const DeviceArray<Pair> pairs(2);
  Pair pair{3, 4};
  MARGINCORE_LAUNCH(store_pair, 1, 2, device.stream, pairs.data(), pair, 2);
  pair = {0, 0};
  CHECK(std::isnan(pairs[0].a));  // not yet
  CHECK(device.synchronize() == cudaSuccess);
  for (int i : {0, 1}) {
    CHECK(pairs[i].a == 6);
    CHECK(pairs[i].b == 4);
  }
  CHECK(statistics().launches.at("store_pair") == 1);
}

TEST_CASE("a block's sum with shuffles and shared memory is right in every order") {
  Device device;
  const int64_t rows = 3, columns = 1500;
  std::vector<float> x(rows * columns);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7);
  const DeviceArray<float> input(x), sums(rows);
  in_all_orders([&] {
    for (const int threads : {32, 64, 256, 1024}) {
      CAPTURE(threads);
      MARGINCORE_LAUNCH(sum_rows, rows, threads, device.stream, sums.data(), input.data(), columns);
      CHECK(device.synchronize() == cudaSuccess);
      for (int64_t row = 0; row < rows; ++row) {
        const auto begin = x.begin() + row * columns;
        CHECK(sums[row] == 3 * std::accumulate(begin, begin + columns, 0.0f));
      }
    }
  });
}

TEST_CASE("a shuffle gives the value of the other lane, of 4 and of 8 bytes") {
  Device device;
  const DeviceArray<int64_t> wide(128);
  const DeviceArray<int> narrow(128);
  in_all_orders([&] {
    for (const int mask : {0, 1, 5, 31}) {
      MARGINCORE_LAUNCH(exchange_lanes, 2, 64, device.stream, wide.data(), narrow.data(), mask);
      CHECK(device.synchronize() == cudaSuccess);
      for (int i = 0; i < 128; ++i) {
        CHECK(narrow[i] == (i % 64 ^ mask));
        CHECK(wide[i] == (int64_t{1} << 40 | (i % 64 ^ mask)));
      }
    }
  });
}

TEST_CASE("one block of a launch has the last ticket, after all others, and the next launch begins anew") {
  Device device;
  const DeviceArray<unsigned> counter(std::vector<unsigned>(1));
  in_all_orders([&] {
    for (const int blocks : {1, 2, 7}) {
      const DeviceArray<int64_t> sum(std::vector<int64_t>(1)), values(std::vector<int64_t>(blocks, 0));
      MARGINCORE_LAUNCH(sum_blocks, blocks, 64, device.stream, sum.data(), values.data(), counter.data());
      CHECK(device.synchronize() == cudaSuccess);
      CHECK(sum[0] == blocks * (blocks + 1) / 2);
      CHECK(counter[0] == 0);
    }
  });
}

TEST_CASE("a counter of tickets that was not 0 fails the kernel") {
  Device device;
  const DeviceArray<unsigned> counter(1);
  const DeviceArray<int64_t> sum(1), values(2);
  MARGINCORE_LAUNCH(sum_blocks, 2, 64, device.stream, sum.data(), values.data(), counter.data());
  CHECK(device.synchronize() == cudaErrorLaunchFailure);
  CHECK(said("kernel sum_blocks, block 0 of 2: ticket 4294967295 of 2: its counter was not 0 at first"));
}

TEST_CASE("a missing barrier shows in random orders, in most of them") {
  Device device;
  const DeviceArray<int> to(64);
  for (const bool barrier : {true, false}) {
    int wrong_broadcasts = 0, wrong_reuses = 0;
    for (int seed = 1; seed <= kSeeds; ++seed) {
      settings().shuffle = seed;
      MARGINCORE_LAUNCH(broadcast, 1, 64, device.stream, to.data(), barrier);
      CHECK(device.synchronize() == cudaSuccess);
      wrong_broadcasts += to.values() != std::vector<int>(64, 7);
      MARGINCORE_LAUNCH(reuse, 1, 64, device.stream, to.data(), barrier);
      CHECK(device.synchronize() == cudaSuccess);
      wrong_reuses += to.values() != std::vector<int>(64, 3);
    }
    if (barrier) CHECK(wrong_broadcasts + wrong_reuses == 0);
    else CHECK(std::min(wrong_broadcasts, wrong_reuses) > kSeeds / 2);
    const bool race_seen = std::exchange(race_reports, 0) > 0;
    CHECK(race_seen == (!barrier && races::are_watched()));
  }
}

TEST_CASE("a missing barrier that only a warp far ahead shows is seen with every even seed") {
  Device device;
  const int threads = 256;
  const DeviceArray<int> to(threads);
  for (const bool barrier : {true, false}) {
    for (int seed = 1; seed <= kSeeds; ++seed) {
      settings().shuffle = seed;
      CAPTURE(seed);
      MARGINCORE_LAUNCH(sum_twice, 1, threads, device.stream, to.data(), barrier);
      CHECK(device.synchronize() == cudaSuccess);
      const bool right = to.values() == std::vector<int>(threads, threads);
      if (barrier) CHECK(right);
      else if (seed % 2 == 0) CHECK_FALSE(right);
    }
  }
  race_reports = 0;  // what is missing is the barrier
}

TEST_CASE("a seed gives the same order again") {
  Device device;
  const DeviceArray<int> to(64);
  for (const uint64_t seed : {11, 12}) {
    std::vector<int> seen[2];
    settings().shuffle = seed;
    for (auto& values : seen) {
      device.reset();
      MARGINCORE_LAUNCH(broadcast, 1, 64, device.stream, to.data(), false);
      CHECK(device.synchronize() == cudaSuccess);
      values = to.values();
    }
    CHECK(seen[0] == seen[1]);
  }
  race_reports = 0;  // what is missing is the barrier
}

TEST_CASE("misused barriers, shuffles and shared memory fail the kernel and name it, and break the device") {
  Device device;
  const DeviceArray<float> to(64);
  const struct {
    Fault fault;
    std::vector<std::string> words;
  } faults[] = {
      {Fault::DifferentBarriers, {"threads 0 and 40 wait in different barriers, lines "}},
      {Fault::TooFewAtBarrier, {"40 wait at a barrier (thread 0 first, line ", ", 24 have ended (thread 40 first)"}},
      {Fault::BarrierAgainstShuffle, {"32 wait at a barrier (thread 0 first, ", "16 in a shuffle (thread 32 first, "}},
      {Fault::LanesMissing, {"32 wait at a barrier (thread 1 first, ", "32 in a shuffle (thread 0 first, "}},
      {Fault::LanesReturned, {"31 in a shuffle (thread 32 first, ", "33 have ended (thread 0 first)"}},
      {Fault::DifferentShuffles, {"wait in different shuffles, lines "}},
      {Fault::MaskTooLarge, {"a shuffle with mask 32"}},
      {Fault::TooMuchSharedMemory, {"more than 49152 bytes of shared memory"}},
  };
  in_all_orders([&] {
    for (const auto& [fault, words] : faults) {
      CAPTURE(static_cast<int>(fault));
      MARGINCORE_LAUNCH(misuse, 2, 64, device.stream, to.data(), fault);
      CHECK(cudaGetLastError() == cudaSuccess);
      CHECK(device.synchronize() == cudaErrorLaunchFailure);
      CHECK(said("kernel misuse, block "));
      for (const std::string& part : words) CHECK(said(part));
      void* memory = nullptr;
      CHECK(cudaMalloc(&memory, 4) == cudaErrorLaunchFailure);
      CHECK(memory == nullptr);
      CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
      CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
      device.reset();
    }
    // The fibers of the threads that were abandoned serve again.
    MARGINCORE_LAUNCH(number_threads, 2, 1024, device.stream, reinterpret_cast<int64_t*>(to.data()), 32);
    CHECK(device.synchronize() == cudaSuccess);
  });
}

TEST_CASE("a warp that is not full cannot shuffle") {
  Device device;
  const DeviceArray<int64_t> wide(48);
  const DeviceArray<int> narrow(48);
  MARGINCORE_LAUNCH(exchange_lanes, 1, 48, device.stream, wide.data(), narrow.data(), 1);
  CHECK(device.synchronize() == cudaErrorLaunchFailure);
  CHECK(said("16 in a shuffle (thread 32 first, "));
}

TEST_CASE("shared memory holds no zeros at first, nor what the last block left") {
  Device device;
  const DeviceArray<float> first(3), second(3);
  MARGINCORE_LAUNCH(show_shared<float>, 3, 16, device.stream, first.data(), second.data());
  const DeviceArray<int> first_int(3), second_int(3);
  MARGINCORE_LAUNCH(show_shared<int>, 3, 16, device.stream, first_int.data(), second_int.data());
  CHECK(device.synchronize() == cudaSuccess);
  for (int block = 0; block < 3; ++block) {
    CHECK(std::isnan(first[block]));
    CHECK(std::isnan(second[block]));
    CHECK(first_int[block] == -1);
    CHECK(second_int[block] == -1);
  }
}

TEST_CASE("a launch of no blocks, or of too many threads, is refused as CUDA does it") {
  Device device;
  const DeviceArray<float> to(1);
  for (const auto& [blocks, threads] : {std::pair<int64_t, int>{0, 32}, {1, 0}, {1, 1025}, {int64_t{1} << 31, 32}}) {
    MARGINCORE_LAUNCH(write_at, blocks, threads, device.stream, to.data(), 0);
    CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
    CHECK(cudaGetLastError() == cudaSuccess);
  }
  CHECK(statistics().launches.empty());
}

TEST_CASE("a kernel whose argument is a host pointer fails") {
  Device device;
  float on_host = 0;
  MARGINCORE_LAUNCH(write_at, 1, 1, device.stream, &on_host, 0);
  CHECK(device.synchronize() == cudaErrorLaunchFailure);
  CHECK(said("kernel write_at: its argument"));
  CHECK(on_host == 0);
}

}  // namespace margincore::cuda_sim
