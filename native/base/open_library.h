// Libraries that are opened by their path: ours, and NVIDIA's.
#pragma once

#include <filesystem>
#include <string>

namespace margincore {

struct OpenedLibrary {
  void* handle;        // null where it could not be opened
  std::string reason;  // why
};

/// flags: dlopen's. A file that is cut off, as by a full disk, is refused: the loader would map pages that are not there, and
/// whoever touches them is ended by a signal.
OpenedLibrary open_library(const std::filesystem::path& path, int flags);

/// '' where a library's file is as long as its own header says, or is none at all, which the loader finds out.
std::string cut_off(const std::filesystem::path& path);

}  // namespace margincore
