// The other processes that train with this one, for JavaScript.
#pragma once

#include <napi.h>

namespace margincore {

/// Adds joinRanks, findNccl, broadcast, gather, finishRanks and abortRanks.
void export_ranks(Napi::Env env, Napi::Object exports);

}  // namespace margincore
