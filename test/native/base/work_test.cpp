#include "base/work.h"

#include <doctest/doctest.h>

#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/error.h"

namespace margincore::test {

TEST_CASE("every element is worked on once, in pieces, on any number of threads") {
  for (const int threads : {1, 2, 5}) {
    for (const int64_t count : {0, 1, 9, 10, 11, 1000}) {
      CAPTURE(threads);
      CAPTURE(count);
      std::vector<int> touched(count, 0);
      Work(threads).in_parallel(count, 10, [&](int64_t begin, int64_t end) {
        CHECK(end - begin <= 10);
        for (int64_t i = begin; i < end; ++i) ++touched[i];
      });
      CHECK(touched == std::vector<int>(count, 1));

      std::vector<int64_t> order;
      Work(threads).in_pieces(count, 10, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) order.push_back(i);
      });
      std::vector<int64_t> ascending;
      for (int64_t i = 0; i < count; ++i) ascending.push_back(i);
      CHECK(order == ascending);
    }
  }
}

TEST_CASE("pieces are worked on side by side") {
  std::mutex mutex;
  std::set<std::thread::id> seen;
  std::atomic<int> waiting{0};
  Work(3).in_parallel(3, 1, [&](int64_t, int64_t) {
    ++waiting;
    while (waiting < 3) std::this_thread::yield();  // ends only if all three run at once
    const std::lock_guard lock(mutex);
    seen.insert(std::this_thread::get_id());
  });
  CHECK(seen.size() == 3);
}

TEST_CASE("once cancelled, no further piece is begun") {
  for (const int threads : {1, 4}) {
    CAPTURE(threads);
    std::atomic<bool> cancelled{false};
    const Work work(threads, &cancelled);
    std::atomic<int> begun{0};
    const auto body = [&](int64_t, int64_t) {
      ++begun;
      cancelled = true;
    };
    const auto code = [&](const auto& run) {
      cancelled = false;
      begun = 0;
      try {
        run();
      } catch (const Error& error) {
        return error.code();
      }
      return ErrorCode::Ok;
    };
    CHECK(code([&] { work.in_parallel(1000, 1, body); }) == ErrorCode::Disposed);
    CHECK(begun <= threads);
    CHECK(code([&] { work.in_pieces(1000, 1, body); }) == ErrorCode::Disposed);
    CHECK(begun == 1);
    CHECK(code([&] { work.in_parallel(0, 1, body); }) == ErrorCode::Ok);
  }
}

TEST_CASE("what a thread throws reaches the caller, once all have ended") {
  for (const int threads : {1, 4}) {
    std::atomic<int> running{0};
    const auto body = [&](int64_t begin, int64_t) {
      ++running;
      if (begin == 3) {
        --running;
        throw std::runtime_error("the fourth");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      --running;
    };
    CHECK_THROWS_WITH_AS(Work(threads).in_parallel(100, 1, body), "the fourth", std::runtime_error);
    CHECK(running == 0);
  }
}

TEST_CASE("the fraction that is done is between 0 and 1, whatever was announced") {
  const std::atomic<bool> never{false};
  Work work;
  CHECK(work.fraction_done() == 0);
  work.begin(200, never);
  CHECK(work.fraction_done() == 0);
  work.advance(50);
  CHECK(work.fraction_done() == 0.25);
  work.advance(1000);
  CHECK(work.fraction_done() == 1);
  work.begin(0, never);
  CHECK(work.fraction_done() == 0);
}

}  // namespace margincore::test
