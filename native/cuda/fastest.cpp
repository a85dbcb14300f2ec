#include "cuda/fastest.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <vector>

namespace margincore {

namespace {

constexpr size_t kRounds = 5;
/// An idle card's clock is a fraction of a busy one's, and the first run of a kernel loads it.
constexpr auto kWarmUp = std::chrono::milliseconds(20);

struct TimingEvent : Owned<cudaEvent_t, cudaEventDestroy> {
  TimingEvent() { MARGINCORE_CHECK(cudaEventCreateWithFlags(to_create(), cudaEventDefault)); }
};

struct Interval {
  TimingEvent start, end;

  float milliseconds() const {
    float value = 0;
    MARGINCORE_CHECK(cudaEventElapsedTime(&value, start, end));
    return value;
  }
};

float median(std::array<float, kRounds> times) {
  std::nth_element(times.begin(), times.begin() + kRounds / 2, times.end());
  return times[kRounds / 2];
}

}  // namespace

std::optional<size_t> fastest(cudaStream_t stream, size_t ways, const std::function<bool(size_t)>& queue) {
  std::vector<size_t> able;
  for (size_t way = 0; way < ways; ++way)
    if (queue(way)) able.push_back(way);
  if (able.size() < 2) return able.empty() ? std::nullopt : std::optional(able.front());
  MARGINCORE_CHECK(cudaDeviceSynchronize());  // what other streams still do would be timed, too
  const auto until = std::chrono::steady_clock::now() + kWarmUp;
  do {
    for (const size_t way : able) queue(way);
    MARGINCORE_CHECK(cudaStreamSynchronize(stream));
  } while (std::chrono::steady_clock::now() < until);

  // In turns, so that a clock that still changes favours none; without waiting, so that the card has no pause.
  std::vector<std::array<Interval, kRounds>> intervals(able.size());
  for (size_t round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < able.size(); ++i) {
      MARGINCORE_CHECK(cudaEventRecord(intervals[i][round].start, stream));
      queue(able[i]);
      MARGINCORE_CHECK(cudaEventRecord(intervals[i][round].end, stream));
    }
  }
  MARGINCORE_CHECK(cudaStreamSynchronize(stream));
  size_t best = 0;
  float least = std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < able.size(); ++i) {
    std::array<float, kRounds> times;
    for (size_t round = 0; round < kRounds; ++round) times[round] = intervals[i][round].milliseconds();
    if (median(times) >= least) continue;
    least = median(times);
    best = able[i];
  }
  return best;
}

}  // namespace margincore
