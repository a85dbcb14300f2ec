// Choices that took a search, kept in a text file so that the next process has them at once. It knows nothing of CUDA.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace margincore {

/// A file that is not there, cannot be read or written, is broken or was made for something else, is none: never an
/// error. Processes may share one: each writes aside and renames, and takes what others have added meanwhile.
class ChoiceCache {
 public:
  /// Keeps nothing.
  ChoiceCache() = default;
  /// `title` says all that choices depend on beside their questions.
  ChoiceCache(std::filesystem::path file, std::string title);

  std::optional<std::string> find(const std::string& question) const;
  /// Neither text has a tab or the end of a line.
  void keep(const std::string& question, const std::string& choice);

 private:
  using Choices = std::vector<std::pair<std::string, std::string>>;  // the oldest first

  Choices read() const;
  void write() const;

  std::filesystem::path file_;
  std::string title_;
  Choices choices_;
};

/// MARGINCORE_CUDA_CACHE, which is a folder or "off"; without it margincore's in XDG_CACHE_HOME or ~/.cache, but none
/// if not `by_default`. Empty: none.
std::filesystem::path choice_folder(bool by_default);

}  // namespace margincore
