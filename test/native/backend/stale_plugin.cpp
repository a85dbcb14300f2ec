// A plugin whose version of the seam is not ours: it must be refused before anything else of it is used.
#include "backend/backend.h"

extern "C" [[gnu::visibility("default")]] const margincore::Plugin* margincore_plugin() {
  static const margincore::Plugin plugin = {margincore::kBackendAbiVersion + 1, "stale", nullptr, nullptr};
  return &plugin;
}
