#include "base/library_places.h"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace margincore {

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> entries(const fs::path& folder, const std::string& prefix) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().filename().string().rfind(prefix, 0) == 0) found.push_back(entry.path());
  std::sort(found.rbegin(), found.rend());  // later versions first
  return found;
}

/// Without links to one that is among them already: /usr/local/cuda is one, as a rule.
std::vector<fs::path> folders_once(const std::vector<fs::path>& folders) {
  std::vector<fs::path> once, known;
  for (const fs::path& folder : folders) {
    std::error_code ignored;
    const fs::path real = fs::weakly_canonical(folder, ignored);
    if (std::find(known.begin(), known.end(), real) != known.end()) continue;
    known.push_back(real);
    once.push_back(folder);
  }
  return once;
}

LibraryPlace toolkit(const fs::path& root) {
  return {root / "lib64", root / "lib", root / "lib/x86_64-linux-gnu", root};
}

LibraryPlace wheels(const fs::path& nvidia) {
  LibraryPlace folders;
  for (const fs::path& package : entries(nvidia, "")) folders.push_back(package / "lib");
  return folders;
}

}  // namespace

std::vector<LibraryPlace> library_places(const char* chosen_by, const fs::path& system) {
  std::vector<LibraryPlace> all;
  const auto add_python = [&](const fs::path& prefix) {
    for (const fs::path& python : entries(prefix / "lib", "python3"))
      for (const char* packages : {"site-packages", "dist-packages"})
        all.push_back(wheels(python / packages / "nvidia"));
  };
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return fs::path(value == nullptr ? "" : value);
  };
  if (const fs::path chosen = variable(chosen_by); !chosen.empty()) {
    LibraryPlace both = toolkit(chosen), nvidia = wheels(chosen / "nvidia"), inside = wheels(chosen);
    both.insert(both.end(), nvidia.begin(), nvidia.end());
    both.insert(both.end(), inside.begin(), inside.end());
    return {both};  // what the user names is taken, or nothing
  }
  for (const fs::path& root : folders_once(entries(system / "usr/local", "cuda"))) all.push_back(toolkit(root));
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (!variable(name).empty()) add_python(variable(name));
  add_python(fs::path(".venv"));
  add_python(system / "usr/local");
  add_python(system / "usr");
  if (!variable("HOME").empty()) add_python(variable("HOME") / ".local");
  return all;
}

fs::path find_library(const LibraryPlace& place, const char* library) {
  std::error_code ignored;
  for (const fs::path& folder : place)
    if (fs::exists(folder / library, ignored)) return folder / library;
  return {};
}

}  // namespace margincore
