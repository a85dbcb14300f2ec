// A long piece of work on the host: on how many threads, whether it is still wanted, and how far it has come.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace margincore {

class Work {
 public:
  /// `cancelled` may be set at any time, by any thread; without it the work is done to its end.
  explicit Work(int threads = 1, const std::atomic<bool>* cancelled = nullptr)
      : threads_(threads), cancelled_(cancelled) {}

  int threads() const { return threads_; }
  void use_threads(int threads) { threads_ = threads; }

  bool is_cancelled() const { return cancelled_ != nullptr && cancelled_->load(std::memory_order_relaxed); }
  /// Throws Disposed once cancelled: to be called every few milliseconds.
  void expect_wanted() const;

  /// From here on there is so much to do, in units of the caller's; until `cancelled` is set.
  void begin(int64_t total, const std::atomic<bool>& cancelled);
  /// Cheap enough for every piece; by any thread.
  void advance(int64_t amount) const { done_.fetch_add(amount, std::memory_order_relaxed); }
  /// Of what `begin` announced, 0…1. May be asked by any thread.
  double fraction_done() const;

  /// body(begin, end) for pieces of 0…count, each of `piece` or what remains, in order and on this thread. Throws
  /// Disposed between two of them once cancelled.
  void in_pieces(int64_t count, int64_t piece, const std::function<void(int64_t begin, int64_t end)>& body) const;
  /// The same on all threads at once, in any order. What a body throws is thrown here, when all threads have ended.
  void in_parallel(int64_t count, int64_t piece, const std::function<void(int64_t begin, int64_t end)>& body) const;

 private:
  int threads_;
  const std::atomic<bool>* cancelled_;
  std::atomic<int64_t> total_{0};
  mutable std::atomic<int64_t> done_{0};
};
}  // namespace margincore
