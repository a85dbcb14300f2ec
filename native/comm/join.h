// The processes that train together, of which this one is one: joined once, and never left before its end.
#pragma once

#include <string>

#include "comm/communicator.h"

namespace margincore {

/// Loads an engine ("openmpi" or "mpich") and joins the others. Throws Unsupported where the engine or its library is not
/// there, RankFailed where the world is another than the launcher's, InvalidOption where another engine was joined before.
Communicator& join_ranks(const std::string& engine, const CommunicatorOptions& options);

/// What was joined, or null.
Communicator* joined_ranks();

}  // namespace margincore
