#include "repeat.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

namespace margincore::jobs {

namespace {

constexpr int kMaxRepetitions = 1000;

struct Discard {
  Backend* backend;
  void operator()(Program* program) const { backend->discard(program); }
};
using ProgramPtr = std::unique_ptr<Program, Discard>;

struct Repeated {
  const Operation& operation;
  int count;
};

/// Called back through the plugin, which no exception may cross.
Status run(void* context) try {
  const Repeated& repeated = *static_cast<Repeated*>(context);
  for (int i = 0; i < repeated.count; ++i)
    if (const Status status = repeated.operation(); !status.ok()) return status;
  return Status::success();
} catch (const Error& error) {
  return Status::failure(error.code(), "%s", error.what());
}

double seconds_of(Backend& backend, Program* program) {
  const auto started = std::chrono::steady_clock::now();
  check(backend.replay(program));
  check(backend.synchronize());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
}

ProgramPtr record(Backend& backend, Repeated& repeated) {
  Program* program = nullptr;
  check(backend.record(&program, run, &repeated));
  return {program, Discard{&backend}};
}

}  // namespace

Timing time_operation(Backend& backend, const Operation& operation, double target, int runs) {
  check(operation());
  check(backend.synchronize());
  Repeated few{operation, 3};
  double first = 0;
  {
    const ProgramPtr program = record(backend, few);
    seconds_of(backend, program.get());
    first = seconds_of(backend, program.get()) / few.count;
  }
  Repeated many{operation, std::clamp(static_cast<int>(target / std::max(first, 1e-7)), 1, kMaxRepetitions)};
  const ProgramPtr program = record(backend, many);
  seconds_of(backend, program.get());
  std::vector<double> seconds;
  for (int i = 0; i < runs; ++i) seconds.push_back(seconds_of(backend, program.get()) / many.count);
  std::nth_element(seconds.begin(), seconds.begin() + runs / 2, seconds.end());
  return {seconds[runs / 2], many.count};
}

}  // namespace margincore::jobs
