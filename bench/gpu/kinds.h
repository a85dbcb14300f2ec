// The kinds of jobs of margincore_gpu_bench. Each answers with seconds, of one step, pass or call.
#pragma once

#include "job.h"

namespace margincore::jobs {

/// Epochs of a network with ArcFace. The session stays open between jobs of the same network, batch and precision.
Answer training(const Job& job);

/// The same, with what it takes of the card's memory.
Answer memory(const Job& job);

/// How many parameters a training has; needs no device.
Answer parameters(const Job& job);

/// ArcFace alone, forward and backward.
Answer head(const Job& job);

/// One pass of one convolution.
Answer convolution(const Job& job);

/// One operation that memory bounds, with the bytes that it has to move at least.
Answer bandwidth(const Job& job);

/// Ends what `training` left open.
Answer close_sessions(const Job& job);

}  // namespace margincore::jobs
