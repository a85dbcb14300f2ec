// What a test changes outside of its process, for as long as it runs.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace margincore::test {

/// An environment variable.
class Variable {
 public:
  /// Without a value it is not set.
  explicit Variable(const char* name, const std::optional<std::string>& value = {}) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    set(value);
  }
  Variable(const Variable&) = delete;
  ~Variable() { set(before_); }

  void set(const std::optional<std::string>& value) {
    if (value) setenv(name_, value->c_str(), 1);
    else unsetenv(name_);
  }

 private:
  const char* name_;
  std::optional<std::string> before_;
};

/// A new, empty folder.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string made = (std::filesystem::temp_directory_path() / "margincore-XXXXXX").string();
    REQUIRE(mkdtemp(made.data()) != nullptr);
    path_ = made;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ~ScratchFolder() { std::filesystem::remove_all(path_); }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }
  /// Of files and folders right in it.
  int64_t count() const { return std::distance(std::filesystem::directory_iterator(path_), {}); }

 private:
  std::filesystem::path path_;
};

}  // namespace margincore::test
