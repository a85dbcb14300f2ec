#include "backend/load.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "support/backends.h"
#include "support/environment.h"

namespace margincore::test {

namespace {

std::string reason_with(const std::string& path) {
  const Variable variable("MARGINCORE_CUDA_LIBRARY", path);
  const BackendAvailability found = availability("cuda");
  CHECK_FALSE(found.available);
  CHECK(found.path == path);
  try {
    open_backend("cuda", {});
    FAIL_CHECK("opened");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::DeviceUnavailable);
    CHECK(error.what() == "device cuda: " + found.reason);
  }
  return found.reason;
}

}  // namespace

TEST_CASE("the backends that have to be there are") {
  for (const BackendAvailability& found : find_backends())
    if (is_required(found.name)) CHECK_MESSAGE(found.available, found.reason);
}

TEST_CASE("a backend says what it is, and uses as many threads as it is told") {
  for (const std::string& name : backend_names()) {
    const BackendInfo probed = availability(name).info;
    BackendOptions options{};
    options.threads = 3;
    const BackendPtr backend = open_backend(name, options);
    const BackendInfo& info = backend->info();
    CHECK(std::string(info.device).rfind(name, 0) == 0);
    CHECK(std::string(info.version) == probed.version);
    CHECK(std::string(info.version) != "");
    CHECK(std::string(info.description) != "");
    if (name != "cpu") continue;
    CHECK(info.threads == 3);
    CHECK(open_backend(name, {})->info().threads == probed.threads);
    CHECK(probed.threads >= 1);
  }
}

TEST_CASE("a plugin that cannot be used is a reason, not a crash") {
  const std::string missing = reason_with("/nowhere/plugin.so");
  CHECK(missing.find("this build has no cuda backend") != std::string::npos);
  CHECK(missing.find("/nowhere/plugin.so") != std::string::npos);

  const std::filesystem::path text = std::filesystem::temp_directory_path() / "margincore-not-a-library.so";
  std::ofstream(text) << "not a library";
  CHECK(reason_with(text.string()).find(text.string()) != std::string::npos);
  std::filesystem::remove(text);

  // Half of a plugin, as a full disk leaves it: its pages would be touched.
  const std::filesystem::path cut = std::filesystem::temp_directory_path() / "margincore-cut-off.so";
  const char* whole = std::getenv("MARGINCORE_STALE_PLUGIN");
  REQUIRE(whole != nullptr);
  const auto size = std::filesystem::file_size(whole);
  for (const auto length : {uintmax_t{100}, uintmax_t{4096}, size / 2, size - 1}) {
    CAPTURE(length);
    std::filesystem::copy_file(whole, cut, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(cut, length);
    const std::string named = cut.string() + "." + std::to_string(length);  // each path is opened once
    std::filesystem::rename(cut, named);
    CHECK(reason_with(named).find(named + " is cut off: it has " + std::to_string(length) + " of ") == 0);
    std::filesystem::remove(named);
  }

  const char* stale = std::getenv("MARGINCORE_STALE_PLUGIN");
  REQUIRE_MESSAGE(stale != nullptr, "ctest sets MARGINCORE_STALE_PLUGIN");
  CHECK(reason_with(stale) == std::string(stale) + format(" has plugin version %d, this build of margincore needs %d",
                                                          kBackendAbiVersion + 1, kBackendAbiVersion));
}

}  // namespace margincore::test
