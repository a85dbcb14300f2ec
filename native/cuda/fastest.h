// Which of several ways to do the same work is the fastest on this card.
#pragma once

#include <functional>
#include <optional>

#include "cuda/owned.h"

namespace margincore {

/// `queue(way)` queues the work once and says whether it could. None where no way can. Nothing else runs on the device
/// meanwhile.
std::optional<size_t> fastest(cudaStream_t stream, size_t ways, const std::function<bool(size_t)>& queue);

}  // namespace margincore
