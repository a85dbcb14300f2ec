// NVIDIA's libraries are not shipped with margincore (over a gigabyte): they are looked for where people have them, in toolkits
// and in the wheels of Python's environments.
#pragma once

#include <filesystem>
#include <vector>

namespace margincore {

/// Folders that together may hold the libraries: a toolkit's, or those of the wheels in one nvidia/ folder.
using LibraryPlace = std::vector<std::filesystem::path>;

/// Where they may be, the likeliest first; where `variable` of the environment names a folder, that one alone.
/// `root` stands before the system's own paths, for tests.
std::vector<LibraryPlace> library_places(const char* variable, const std::filesystem::path& root = "/");

/// Empty where it is not there.
std::filesystem::path find_library(const LibraryPlace& place, const char* library);

}  // namespace margincore
