// The kinds of jobs of margincore_gpu_jobs.
#pragma once

#include "job.h"

namespace margincore::jobs {

/// Some training steps, one by one, and everything that a reference can be compared with.
Answer trajectory(const Job& job);

/// One head alone on given arrays.
Answer head(const Job& job);

/// Whole epochs, then the test set: what a user sees of training.
Answer epochs(const Job& job);

}  // namespace margincore::jobs
