// The time of an operation. The seam shows neither streams nor events, so repetitions are recorded into one program
// (a CUDA graph) that runs for milliseconds, and the host measures replay and synchronisation: launching it once
// costs a few microseconds of that.
#pragma once

#include <functional>

#include "backend/backend.h"

namespace margincore::jobs {

using Operation = std::function<Status()>;

struct Timing {
  double seconds;   // of one repetition: the median of the runs
  int repetitions;  // in the recorded program
};

constexpr double kTargetSeconds = 0.02;

/// Runs once eagerly (plans are made), then records as many repetitions as take about `target` seconds.
Timing time_operation(Backend& backend, const Operation& operation, double target = kTargetSeconds, int runs = 7);

}  // namespace margincore::jobs
