// Accesses outside of an allocation end the program under AddressSanitizer, so each is made by a child process. Part of
// the build with sanitizers alone.
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "cuda/device.h"
#include "support.h"

namespace margincore::cuda_sim {
namespace {

using namespace device;

MARGINCORE_KERNEL write_strided(float* to, int stride) {
  sync_block();  // from the stack of a fiber
  to[thread() * stride] = 1;
}

MARGINCORE_KERNEL write_shared(float* to, int place) {
  MARGINCORE_SHARED(float, numbers, 32);
  MARGINCORE_SHARED(float, others, 32);
  numbers[thread()] = others[thread()] = 0;
  sync_block();
  float* start = numbers;  // UndefinedBehaviorSanitizer knows the bounds of the array itself
  if (thread() == 0) start[place] = 1;
  to[thread()] = others[0];
}

MARGINCORE_KERNEL write_local(float* to, int place) {
  float numbers[8] = {};
  sync_block();
  float* start = numbers;
  start[place] = 1;
  to[thread()] = numbers[0];
}

/// What a child process that does this writes to standard error.
std::string complaint_about(const std::function<void()>& action) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::fflush(stdout);  // else a child could write it, too
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    action();
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char part[4096];
  for (ssize_t count; (count = read(ends[0], part, sizeof part)) > 0;) text.append(part, static_cast<size_t>(count));
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return text;
}

bool contains(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

}  // namespace

TEST_CASE("AddressSanitizer sees what strays from device, shared and local memory") {
  Device device;
  const DeviceArray<float> to(32);
  const auto run = [&](void (*kernel)(float*, int), int argument) {
    return complaint_about([&] {
      MARGINCORE_LAUNCH(kernel, 1, 32, device.stream, to.data(), argument);
      device.synchronize();
    });
  };
  CHECK(run(write_strided, 1) == "");
  CHECK(contains(run(write_strided, 2), "heap-buffer-overflow"));
  CHECK(contains(run(write_strided, -1), "heap-buffer-overflow"));
  CHECK(run(write_shared, 31) == "");
  CHECK(contains(run(write_shared, 32), "use-after-poison"));
  CHECK(run(write_local, 7) == "");
  CHECK(run(write_local, 8) != "");  // whichever sanitizer is first
  CHECK(contains(complaint_about([&] {
                   float* freed = nullptr;
                   allocate(&freed, 1);
                   cudaFree(freed);
                   freed[0] = 1;
                 }),
                 "heap-use-after-free"));
}

}  // namespace margincore::cuda_sim
