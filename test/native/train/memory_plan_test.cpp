#include "train/memory_plan.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <string>
#include <thread>

#include "support/backends.h"
#include "support/model.h"
#include "train/session.h"

namespace margincore::test {

namespace {

SessionSpec session_spec(const std::string& backend, OptimizerSpec::Type type, int64_t batch) {
  SessionSpec spec;
  spec.backend = backend;
  spec.network = seed_cnn(32);
  spec.head = arcface(10, 16, 0.5f);
  spec.head.scaled_bn = ScaledBn{};
  spec.head.center_weight = 0.01f;
  spec.normalization = {{0.3f}, {0.3f}};
  spec.optimizer.type = type;
  spec.batch_size = batch;
  return spec;
}

}  // namespace

TEST_CASE("the plan of memory is what a session then takes") {
  for (const std::string& backend : backend_names()) {
    for (const auto type : {OptimizerSpec::Type::Sgd, OptimizerSpec::Type::Adam}) {
      SessionSpec spec = session_spec(backend, type, 8);
      if (type == OptimizerSpec::Type::Adam) spec.optimizer.average_decay = 0.9f;
      // With gradients of weights in bf16, where there are such.
      if (type == OptimizerSpec::Type::Sgd && availability(backend).info.bf16 != 0)
        spec.options.precision = Precision::Bf16;
      Session session(spec);
      session.open();
      const MemoryUse planned = plan_training(session.network(), session.head(), session.table(), spec.optimizer,
                                              session.backend_info(), session.recompute_policy(), spec.batch_size);
      const MemoryUse taken = session.memory();
      CHECK(planned.parameters == taken.parameters);
      CHECK(planned.gradients == taken.gradients);
      CHECK(planned.optimizer == taken.optimizer);
      CHECK(planned.activations == taken.activations);
      CHECK(planned.total() == taken.total());
    }
  }
}

TEST_CASE("a batch that does not fit is refused before anything is allocated, with one that does") {
  for (const std::string& backend : backend_names()) {
    Session session(session_spec(backend, OptimizerSpec::Type::Adam, 1'000'000'000));
    std::string message;
    int64_t fits = 0;
    try {
      session.open();
    } catch (const OutOfMemoryError& error) {
      CHECK(error.code() == ErrorCode::OutOfMemory);
      CHECK(error.needed > error.free);
      message = error.what();
      fits = error.batch;
    }
    CAPTURE(message);
    CHECK(message.find("GiB of memory are needed (parameters ") != std::string::npos);
    CHECK(message.find("A batch of " + std::to_string(fits) + " would fit") != std::string::npos);
    CHECK(fits > 0);
    CHECK(fits < 1'000'000'000);
    // It is refused each time, also after a plan that was refused.
    CHECK_THROWS_AS(session.plan(0), OutOfMemoryError);
    CHECK_THROWS_AS(session.plan(0), OutOfMemoryError);
    CHECK_THROWS_AS(session.open(), OutOfMemoryError);
    CHECK(session.memory().total() == 0);
  }
}

TEST_CASE("a search for centroids that the host has no memory for is refused before it begins") {
  for (const std::string& backend : backend_names()) {
    SessionSpec spec;
    spec.backend = backend;
    // A third of what is free for the weights; the simplex and its basis take four times as much.
    const auto classes = static_cast<int64_t>(std::sqrt(static_cast<double>(memory_room().bytes) / 12));
    spec.network = {{1, 1, 1}, {{"embedding", LinearSpec{classes}}}};
    spec.head = pedcc(classes);
    Session session(spec);
    std::string message;
    try {
      session.plan(0);
    } catch (const OutOfMemoryError& error) {
      CHECK(error.needed > error.free);
      message = error.what();
    }
    CAPTURE(message);
    CHECK(message.find("of host memory are needed to find the classes' centroids") != std::string::npos);
  }
}

TEST_CASE("an open that is cancelled on its way leaves nothing allocated, and may be tried again") {
  for (const std::string& backend : backend_names()) {
    // With all memory of the parameters taken, the host seeks centroids for a while, on whichever backend.
    SessionSpec spec = session_spec(backend, OptimizerSpec::Type::Adam, 8);
    spec.head = pedcc(1000);
    const std::atomic<bool> never{false};
    Session session(spec);
    std::atomic<bool> cancelled{false};
    std::thread later([&] {
      while (session.fraction_done() < 0.01) std::this_thread::yield();
      cancelled = true;
    });
    ErrorCode code = ErrorCode::Internal;
    try {
      session.open(cancelled);
    } catch (const Error& error) {
      code = error.code();
    }
    later.join();
    CHECK(code == ErrorCode::Disposed);
    CHECK(session.memory().total() == 0);
    session.open(never);
    CHECK(session.memory().total() > 0);
  }
}

TEST_CASE("once a session is open, all the work that was announced is done") {
  for (const std::string& backend : backend_names()) {
    for (const Precision precision : {Precision::Fp32, Precision::Bf16}) {
      // Sizes that leave padding between tensors; a search for centroids, and a simplex.
      for (const HeadSpec& head : {softmax(10), pedcc(10), pedcc(8)}) {
        SessionSpec spec = session_spec(backend, OptimizerSpec::Type::Adam, 8);
        spec.options.precision = precision;
        spec.network = seed_cnn(7);
        spec.head = head;
        Session session(spec);
        try {
          session.open();
        } catch (const Error& error) {
          REQUIRE(error.code() == ErrorCode::Unsupported);  // bf16, on this processor
          continue;
        }
        CAPTURE(precision);
        CAPTURE(head.num_classes);
        CHECK(session.fraction_done() == 1);
      }
    }
  }
}

TEST_CASE("activations are recomputed where that costs little, or where they would not fit") {
  for (Backend* backend : backends()) {
    size_t free = 0;
    check(backend->available_memory(&free));
    const auto chosen = [&](size_t keeping_all) {
      return choose_recompute_policy(*backend, [&](RecomputePolicy policy) {
        MemoryUse use;
        use.activations = policy == RecomputePolicy::Never ? keeping_all : keeping_all / 2;
        return use;
      });
    };
    CHECK(chosen(free / 4) ==
          (backend->info().recomputes != 0 ? RecomputePolicy::CheapLayers : RecomputePolicy::Never));
    CHECK(chosen(free * 4) == RecomputePolicy::CheapLayers);
  }
}

TEST_CASE("where an allocation fails that no plan foresees, a smaller batch is named") {
  for (Backend* backend : backends()) {
    size_t free = 0;
    check(backend->available_memory(&free));
    const auto plan = [&](int64_t batch) {
      MemoryUse use;
      use.activations = static_cast<size_t>(batch) * (free / 4);
      return use;
    };
    MemoryUse taken = plan(1);
    taken.dataset = free / 2;  // is not given up for a larger batch
    const OutOfMemoryError error = out_of_memory_in_training(*backend, plan, 100, taken, "no workspace");
    CHECK(error.batch >= 3);
    CHECK(error.batch <= 5);
    CHECK(std::string(error.what()) == "no workspace. A batch of " + std::to_string(error.batch) + " would fit");
    CHECK(error.code() == ErrorCode::OutOfMemory);
  }
}

TEST_CASE("expect_memory names what is needed, what is free and where") {
  for (Backend* backend : backends()) {
    size_t free = 0;
    check(backend->available_memory(&free));
    CHECK(free > 0);
    CHECK_NOTHROW(expect_memory(*backend, free / 2, "half"));
    CHECK_THROWS_AS(expect_memory(*backend, size_t{1} << 60, "an exbibyte"), Error);
    try {
      expect_memory(*backend, size_t{1} << 60, "an exbibyte");
    } catch (const Error& error) {
      const std::string message = error.what();
      CHECK(message.find("1073741824.00 GiB of memory are needed (an exbibyte), and ") == 0);
      CHECK(message.find(std::string("are free on ") + backend->info().device) != std::string::npos);
    }
  }
}

}  // namespace margincore::test
