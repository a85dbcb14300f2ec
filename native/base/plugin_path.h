// Where plugins lie.
#pragma once

#include <filesystem>
#include <string>

namespace margincore {

/// libmargincore_<name>.so beside the library that this code is linked into, or what MARGINCORE_<NAME>_LIBRARY says: another
/// build of it.
std::filesystem::path plugin_path(const std::string& name);

}  // namespace margincore
