#include "base/library_places.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <fstream>

namespace margincore::test {

namespace {

namespace fs = std::filesystem;

/// A folder that is gone afterwards.
class Root {
 public:
  Root() {
    std::string name = (fs::temp_directory_path() / "margincore-places-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Root() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

TEST_CASE("a toolkit is looked through once, however many links name it, and the newest first") {
  const Root root;
  const fs::path local = root.path() / "usr/local";
  for (const char* name : {"cuda-12.8", "cuda-13.0"}) fs::create_directories(local / name / "lib64");
  for (const char* link : {"cuda-13", "cuda"}) fs::create_directory_symlink("cuda-13.0", local / link);
  std::ofstream(local / "cuda-12.8/lib64/libsome.so").put('x');

  const auto places = library_places("MARGINCORE_NO_SUCH_VARIABLE", root.path());
  std::vector<fs::path> toolkits;
  for (const LibraryPlace& place : places)
    if (!place.empty() && place[0].string().rfind(local.string(), 0) == 0) toolkits.push_back(place[0].parent_path());
  CHECK(toolkits == std::vector<fs::path>{local / "cuda-13.0", local / "cuda-12.8"});
  CHECK(find_library(places[0], "libsome.so").empty());
  CHECK(find_library(places[1], "libsome.so") == local / "cuda-12.8/lib64/libsome.so");
}

}  // namespace margincore::test
