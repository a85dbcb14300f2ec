#include "base/work.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/process_limits.h"

namespace margincore {

namespace {

/// Pieces that threads take from one another's hands.
class Pieces {
 public:
  Pieces(int64_t count, int64_t piece) : count_(count), piece_(piece) {}

  /// Until all are taken, or one failed.
  void take_all(const Work& work, const std::function<void(int64_t, int64_t)>& body) {
    try {
      for (int64_t begin = 0; (begin = next_.fetch_add(piece_)) < count_;) {
        work.expect_wanted();
        body(begin, std::min(begin + piece_, count_));
      }
    } catch (...) {
      next_ = count_;
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }

  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  const int64_t count_, piece_;
  std::atomic<int64_t> next_{0};
  std::mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace

void Work::expect_wanted() const {
  if (is_cancelled()) throw Error(ErrorCode::Disposed, "the work was cancelled");
}

void Work::begin(int64_t total, const std::atomic<bool>& cancelled) {
  cancelled_ = &cancelled;
  done_ = 0;
  total_ = total;
}

double Work::fraction_done() const {
  const int64_t total = total_.load(std::memory_order_relaxed), done = done_.load(std::memory_order_relaxed);
  return total <= 0 ? 0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
}

void Work::in_pieces(int64_t count, int64_t piece, const std::function<void(int64_t, int64_t)>& body) const {
  for (int64_t begin = 0; begin < count; begin += piece) {
    expect_wanted();
    body(begin, std::min(begin + piece, count));
  }
}

void Work::in_parallel(int64_t count, int64_t piece, const std::function<void(int64_t, int64_t)>& body) const {
  const int64_t pieces = (count + piece - 1) / piece;
  Pieces shared(count, piece);
  std::vector<std::jthread> helpers;  // join as they go, by whatever way
  for (int64_t helper = 1; helper < std::min<int64_t>(threads_, pieces); ++helper) {
    try {
      helpers.emplace_back([&] {
        run_on_processors_of_start();
        shared.take_all(*this, body);
      });
    } catch (const std::exception&) {
      break;  // no more threads, or no memory for one: fewer do the same work
    }
  }
  shared.take_all(*this, body);
  for (std::jthread& helper : helpers) helper.join();
  shared.rethrow();
}

}  // namespace margincore
