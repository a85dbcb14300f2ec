// Ranks that are threads of this process, for tests of what processes do together.
#pragma once

#include <algorithm>
#include <barrier>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "comm/communicator.h"

namespace margincore::test {

/// Where the ranks meet: each shows the others what it has.
struct Meeting {
  explicit Meeting(int32_t ranks) : barrier(ranks), shown(ranks) {}

  void meet() { barrier.arrive_and_wait(); }

  std::barrier<> barrier;
  std::vector<void*> shown;  // by rank
};

class ThreadRank final : public Communicator {
 public:
  ThreadRank(Meeting& meeting, int32_t rank) : meeting_(meeting) {
    info_.rank = rank;
    info_.size = static_cast<int32_t>(meeting.shown.size());
  }

  const CommunicatorInfo& info() const override { return info_; }

  Status all_reduce(Tensor x, Reduction reduction) override {
    show(x.data);
    std::vector<float> all(x.f32(), x.f32() + x.count());
    for (size_t i = 0; i < all.size(); ++i) all[i] = reduced(i, reduction);
    meeting_.meet();
    std::memcpy(x.data, all.data(), all.size() * sizeof(float));
    meeting_.meet();
    return Status::success();
  }

  Status reduce_scatter(float* part, const float* whole, const int64_t* counts) override {
    show(const_cast<float*>(whole));
    int64_t place = 0;
    for (int32_t rank = 0; rank < info_.rank; ++rank) place += counts[rank];
    for (int64_t i = 0; i < counts[info_.rank]; ++i) part[i] = reduced(place + i, Reduction::Sum);
    meeting_.meet();
    return Status::success();
  }

  Status all_gather(void* whole, const int64_t* bytes) override {
    show(whole);
    int64_t place = 0;
    for (int32_t rank = 0; rank < info_.size; ++rank) {
      if (rank != info_.rank)
        std::memcpy(static_cast<char*>(whole) + place, static_cast<char*>(meeting_.shown[rank]) + place, bytes[rank]);
      place += bytes[rank];
    }
    meeting_.meet();
    return Status::success();
  }

  Status broadcast(void* values, int64_t bytes) override {
    show(values);
    if (info_.rank > 0) std::memcpy(values, meeting_.shown[0], bytes);
    meeting_.meet();
    return Status::success();
  }

  double timeout_seconds() const override { return timeout_seconds_; }
  void set_timeout(double seconds) { timeout_seconds_ = seconds; }
  void abort(int32_t) override {}
  Status finish() override { return Status::success(); }

 private:
  /// Of element i of what all show.
  float reduced(int64_t i, Reduction reduction) const {
    float value = static_cast<const float*>(meeting_.shown[0])[i];
    for (int32_t rank = 1; rank < info_.size; ++rank) {
      const float other = static_cast<const float*>(meeting_.shown[rank])[i];
      value = reduction == Reduction::Sum ? value + other : std::max(value, other);
    }
    return value;
  }

  void show(void* what) {
    meeting_.shown[info_.rank] = what;
    meeting_.meet();
  }

  Meeting& meeting_;
  CommunicatorInfo info_{};
  double timeout_seconds_ = 60;
};

/// body(communicator) on as many threads, and what each answers, by rank. What one throws ends the program: the others would
/// wait for it.
template <class Result>
std::vector<Result> on_ranks(int32_t ranks, const std::function<Result(Communicator&)>& body) {
  Meeting meeting(ranks);
  std::vector<Result> results(ranks);
  std::vector<std::jthread> threads;
  for (int32_t rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] {
      ThreadRank communicator(meeting, rank);
      results[rank] = body(communicator);
    });
  threads.clear();
  return results;
}

}  // namespace margincore::test
