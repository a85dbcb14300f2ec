#include "backend/cuda_libraries.h"

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace margincore::test {

namespace {

namespace fs = std::filesystem;

constexpr const char* kCublas = "libcublas.so.13";
constexpr const char* kCudnn = "libcudnn.so.9";

/// A new folder that MARGINCORE_CUDA_PATH names, for the time of one test. Never one that was there before: what was
/// loaded from a path is not loaded again.
class ChosenFolder {
 public:
  ChosenFolder() {
    path_ = (fs::temp_directory_path() / "margincore-XXXXXX").string();
    REQUIRE(mkdtemp(path_.data()) != nullptr);
    setenv("MARGINCORE_CUDA_PATH", path_.c_str(), 1);
  }
  ~ChosenFolder() {
    unsetenv("MARGINCORE_CUDA_PATH");
    fs::remove_all(path_);
  }
  fs::path operator/(const fs::path& name) const { return path_ / name; }

  /// A library that loads, under this name.
  void add(const fs::path& name) const {
    const char* library = std::getenv("MARGINCORE_SOME_LIBRARY");
    REQUIRE_MESSAGE(library != nullptr, "ctest sets MARGINCORE_SOME_LIBRARY");
    fs::create_directories((*this / name).parent_path());
    fs::copy_file(library, *this / name);
  }
  void add_text(const char* name) const { std::ofstream(*this / name) << "not a library"; }

 private:
  std::string path_;
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

void check_looked_for_in_vain(const ChosenFolder& folder) {
  const CudaLibraries found = load_cuda_libraries();
  CHECK_FALSE(found.loaded);
  INFO(found.text);
  CHECK(contains(found.text, "looked for libcublas.so.13 and libcudnn.so.9 in " + (folder / "lib64").string()));
  CHECK(contains(found.text, "MARGINCORE_CUDA_PATH"));
  CHECK_FALSE(contains(found.text, "the loader's path"));  // what the user names is taken, or nothing
  CHECK_FALSE(contains(found.text, "/usr/local"));
}

}  // namespace

TEST_CASE("one that the loader finds alone does not stay, to be taken together with the other from elsewhere") {
  REQUIRE_MESSAGE(std::getenv("LD_LIBRARY_PATH") != nullptr, "ctest sets it to a folder with cuBLAS alone");
  const CudaLibraries found = load_cuda_libraries();
  INFO(found.text);
  if (found.loaded && contains(found.text, "the loader's path")) return;  // this machine has both there
  std::ifstream maps("/proc/self/maps");
  const std::string loaded{std::istreambuf_iterator<char>(maps), {}};
  CHECK_FALSE(contains(loaded, std::string("/loader_path/") + kCublas));
}

TEST_CASE("an empty folder: what was looked for and where") {
  const ChosenFolder folder;
  check_looked_for_in_vain(folder);
}

TEST_CASE("one of the two is not enough") {
  const ChosenFolder folder;
  SUBCASE("cuBLAS") { folder.add(kCublas); }
  SUBCASE("cuDNN") { folder.add(kCudnn); }
  check_looked_for_in_vain(folder);
}

TEST_CASE("other major versions are not taken") {
  const ChosenFolder folder;
  folder.add("libcublas.so.12");
  folder.add("libcudnn.so.8");
  check_looked_for_in_vain(folder);
}

TEST_CASE("what is found but is no library is named") {
  const ChosenFolder folder;
  SUBCASE("both") {
    folder.add_text(kCublas);
    folder.add_text(kCudnn);
  }
  SUBCASE("a part of cuDNN") {
    folder.add(kCublas);
    folder.add(kCudnn);
    folder.add_text("libcudnn_ops.so.9");
  }
  const CudaLibraries found = load_cuda_libraries();
  CHECK_FALSE(found.loaded);
  INFO(found.text);
  CHECK(contains(found.text, (folder / "libc").string()));
  CHECK(contains(found.text, "found, but it does not load"));
}

TEST_CASE("where they were taken from") {
  const ChosenFolder folder;
  std::string place;
  SUBCASE("a folder") { place = "."; }
  SUBCASE("a toolkit") { place = "lib64"; }
  SUBCASE("Debian's folders") { place = "lib/x86_64-linux-gnu"; }
  if (!place.empty()) {
    folder.add(fs::path(place) / kCublas);
    folder.add(fs::path(place) / kCudnn);
  }
  SUBCASE("wheels") {
    place = "nvidia/cudnn/lib";
    folder.add(fs::path("nvidia/cu13/lib") / kCublas);
    folder.add(fs::path(place) / kCudnn);
  }
  SUBCASE("the folder of wheels itself") {
    place = "cudnn/lib";
    folder.add(fs::path("cu13/lib") / kCublas);
    folder.add(fs::path(place) / kCudnn);
  }
  const CudaLibraries found = load_cuda_libraries();
  CHECK(found.loaded);
  INFO(found.text);
  CHECK(found.text.rfind("cuBLAS and cuDNN from ", 0) == 0);
  CHECK(fs::equivalent(found.text.substr(std::string("cuBLAS and cuDNN from ").size()), folder / place));
}

}  // namespace margincore::test
