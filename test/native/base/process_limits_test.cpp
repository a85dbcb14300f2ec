#include "base/process_limits.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/control_groups.h"

namespace margincore::test {

namespace {

/// Files as a system would show them, below a folder of their own.
class FakeSystem {
 public:
  FakeSystem() {
    char name[] = "/tmp/margincore-limits-XXXXXX";
    root_ = mkdtemp(name);
    write("/proc/meminfo", "MemTotal: 99999999 kB\nMemAvailable: 4194304 kB\n");  // 4 GiB
    write("/proc/self/status", "Name:\tfake\nVmSize:\t  1024 kB\nVmData:\t  1024 kB\n");
  }
  ~FakeSystem() { std::filesystem::remove_all(root_); }

  const std::string& root() const { return root_; }

  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  void mount_version_2() const {
    write("/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw\n");
  }
  void mount_version_1() const {
    write("/proc/self/mountinfo",
          "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
          "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  }

 private:
  std::string root_;
};

constexpr size_t kMebibyte = size_t{1} << 20;

void expect_room(const FakeSystem& system, size_t mebibytes, const std::string& limit) {
  const MemoryRoom room = memory_room(system.root());
  CHECK(room.bytes == mebibytes * kMebibyte);
  CHECK(room.limit == limit);
}

/// So many cores with two processors each, as a machine would list them: first one of each.
std::string cpuinfo(int cores) {
  std::string text;
  for (int processor = 0; processor < 2 * cores; ++processor)
    text += "processor\t: " + std::to_string(processor) +
            "\nphysical id\t: 0\ncore id\t\t: " + std::to_string(processor % cores) + "\n\n";
  return text;
}

/// What `body` returns in a process of its own, whose limits and environment it may change.
template <class Body>
int in_child(const Body& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("without limits there is what the machine has available") {
  const FakeSystem system;
  expect_room(system, 4096, "");
}

TEST_CASE("memory: of nested control groups of version 2 the tightest counts, less what is only cached") {
  const FakeSystem system;
  system.mount_version_2();
  system.write("/proc/self/cgroup", "0::/outer/inner\n");
  system.write("/sys/fs/cgroup/outer/inner/memory.max", "max\n");
  system.write("/sys/fs/cgroup/outer/inner/memory.current", "1048576\n");
  expect_room(system, 4096, "");
  system.write("/sys/fs/cgroup/outer/memory.max", std::to_string(1000 * kMebibyte));
  system.write("/sys/fs/cgroup/outer/memory.current", std::to_string(400 * kMebibyte));
  expect_room(system, 600, "the memory limit of the control group /outer");
  system.write("/sys/fs/cgroup/outer/memory.stat",
               "anon 1\ninactive_file " + std::to_string(100 * kMebibyte) + "\nactive_file 7\n");
  expect_room(system, 700, "the memory limit of the control group /outer");
  system.write("/sys/fs/cgroup/outer/inner/memory.max", std::to_string(5 * kMebibyte));
  expect_room(system, 4, "the memory limit of the control group /outer/inner");
  system.write("/sys/fs/cgroup/outer/inner/memory.current", std::to_string(6 * kMebibyte));
  expect_room(system, 0, "the memory limit of the control group /outer/inner");
}

TEST_CASE("memory: nested control groups of version 1") {
  const FakeSystem system;
  system.mount_version_1();
  system.write("/proc/self/cgroup", "4:memory:/docker/abc\n2:cpu,cpuacct:/\n0::/\n");
  const std::string folder = "/sys/fs/cgroup/memory";
  system.write(folder + "/memory.limit_in_bytes", "9223372036854771712\n");
  system.write(folder + "/memory.usage_in_bytes", "77\n");
  expect_room(system, 4096, "");
  system.write(folder + "/docker/abc/memory.limit_in_bytes", std::to_string(300 * kMebibyte));
  system.write(folder + "/docker/abc/memory.usage_in_bytes", std::to_string(200 * kMebibyte));
  system.write(folder + "/docker/abc/memory.stat", "total_inactive_file " + std::to_string(50 * kMebibyte) + "\n");
  expect_room(system, 150, "the memory limit of the control group /docker/abc");
}

TEST_CASE("memory: a container's own group is the root of what it sees, whatever its path outside") {
  const FakeSystem system;
  system.write("/proc/self/mountinfo", "31 23 0:28 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  system.write("/sys/fs/cgroup/memory.max", std::to_string(64 * kMebibyte));
  system.write("/sys/fs/cgroup/memory.current", "0");
  for (const std::string path : {"/docker/abc", "/", "/somewhere/else", "/docker/abc.helper", "/docker/abcd", ".."}) {
    CAPTURE(path);
    system.write("/proc/self/cgroup", "0::" + path + "\n");
    expect_room(system, 64, "the memory limit of the control group /");
  }
}

TEST_CASE("memory: a mount point may have a space in its name") {
  const FakeSystem system;
  system.write("/proc/self/mountinfo", "31 23 0:28 / /all\\040groups rw - cgroup2 cgroup2 rw\n");
  system.write("/proc/self/cgroup", "0::/\n");
  system.write("/all groups/memory.max", std::to_string(64 * kMebibyte));
  system.write("/all groups/memory.current", "0");
  expect_room(system, 64, "the memory limit of the control group /");
}

TEST_CASE("memory: a group is slowed down beyond memory.high, which counts as its limit where that is lower") {
  const FakeSystem system;
  system.mount_version_2();
  system.write("/proc/self/cgroup", "0::/a\n");
  system.write("/sys/fs/cgroup/a/memory.max", "max\n");
  system.write("/sys/fs/cgroup/a/memory.high", std::to_string(30 * kMebibyte));
  system.write("/sys/fs/cgroup/a/memory.current", std::to_string(10 * kMebibyte));
  expect_room(system, 20, "the memory limit of the control group /a");
  system.write("/sys/fs/cgroup/a/memory.max", std::to_string(25 * kMebibyte));
  expect_room(system, 15, "the memory limit of the control group /a");
}

TEST_CASE("memory: what is free may be unknown, and is then said to be") {
  const FakeSystem system;
  system.write("/proc/meminfo", "MemTotal: 99999999 kB\n");
  CHECK(describe_room(system.root()) == "how much is free is not known");
  system.write("/proc/meminfo", "MemAvailable: 1024 kB\n");
  CHECK(describe_room(system.root()) == "1.0 MiB are free");
}

TEST_CASE("memory: what the system has promised already") {
  const FakeSystem system;
  system.write("/proc/meminfo", "MemAvailable: 4194304 kB\nCommitLimit: 2048 kB\nCommitted_AS: 1024 kB\n");
  system.write("/proc/sys/vm/overcommit_memory", "0\n");
  expect_room(system, 4096, "");
  system.write("/proc/sys/vm/overcommit_memory", "2\n");
  expect_room(system, 1, "what the system promises (vm.overcommit_memory = 2)");
}

TEST_CASE("memory: the process's own limits, less what it has") {
  const FakeSystem system;
  const auto limits = [&](const std::string& data, const std::string& address_space) {
    system.write("/proc/self/limits",
                 "Limit                     Soft Limit           Hard Limit           Units     \n"
                 "Max data size             " +
                     data +
                     "            unlimited            bytes     \n"
                     "Max address space         " +
                     address_space + "            unlimited            bytes     \n");
  };
  limits("unlimited", "unlimited");
  expect_room(system, 4096, "");
  limits("unlimited", std::to_string(1025 * kMebibyte));
  expect_room(system, 1024, "the process's limit on address space (ulimit -v)");
  limits(std::to_string(513 * kMebibyte), std::to_string(1025 * kMebibyte));
  expect_room(system, 512, "the process's limit on data (ulimit -d)");
}

TEST_CASE("a refusal is explained by the limit that holds, and by none where none does") {
  const std::string large = no_memory_for(size_t{1} << 60), small = no_memory_for(1);
  CHECK(large.find("no memory for 1073741824.00 GiB: ") == 0);
  CHECK(large.find(" are free") != std::string::npos);
  CHECK(small.find("no memory for 0.0 MiB, although ") == 0);
}

TEST_CASE("cores: physical ones with a processor in the affinity mask") {
  cpu_set_t before;
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  const FakeSystem system;
  const int first = [&] {
    int number = 0;
    while (!CPU_ISSET(number, &before)) ++number;
    return number;
  }();
  system.write("/proc/cpuinfo", cpuinfo(first + 3));
  const int one = in_child([&] {
    unsetenv("OMP_NUM_THREADS");
    cpu_set_t mask;
    CPU_ZERO(&mask);
    CPU_SET(first, &mask);
    sched_setaffinity(0, sizeof mask, &mask);
    return usable_cores(system.root(), allowed_processors());
  });
  CHECK(one == 1);
  system.write("/proc/cpuinfo", cpuinfo(1));  // two processors, one core
  CHECK(in_child([&] {
          unsetenv("OMP_NUM_THREADS");
          return usable_cores(system.root());
        }) == 1);
}

TEST_CASE("cores: a thread that is pinned later still has those that the process began with, and may take them back") {
  const std::set<int>& all = processors_at_start();
  REQUIRE(!all.empty());
  const FakeSystem system;
  CHECK(in_child([&] {
          unsetenv("OMP_NUM_THREADS");
          cpu_set_t mask;
          CPU_ZERO(&mask);
          CPU_SET(*all.begin(), &mask);
          sched_setaffinity(0, sizeof mask, &mask);
          if (allowed_processors().size() != 1) return 1;
          if (usable_cores(system.root()) != static_cast<int>(all.size())) return 2;
          run_on_processors_of_start();
          return allowed_processors() == all ? 0 : 3;
        }) == 0);
}

namespace {

/// On a system without a list of processors: as many as the mask has.
int cores_with(const FakeSystem& system, const char* openmp) {
  return in_child([&] {
    if (openmp == nullptr) unsetenv("OMP_NUM_THREADS");
    else setenv("OMP_NUM_THREADS", openmp, 1);
    return usable_cores(system.root());
  });
}

int processors() {
  cpu_set_t mask;
  REQUIRE(sched_getaffinity(0, sizeof mask, &mask) == 0);
  return CPU_COUNT(&mask);
}

}  // namespace

TEST_CASE("cores: no more than OMP_NUM_THREADS says, where it says a number") {
  const FakeSystem system;
  const int all = processors();
  CHECK(cores_with(system, nullptr) == all);
  CHECK(cores_with(system, "1") == 1);
  CHECK(cores_with(system, "1,8") == 1);
  for (const char* text : {"4096", "", "many", "0", "-3"}) {
    CAPTURE(text);
    CHECK(cores_with(system, text) == all);
  }
}

TEST_CASE("cores: no more than the quotas of nested control groups come to") {
  const FakeSystem system;
  const int all = processors();
  system.mount_version_2();
  system.write("/proc/self/cgroup", "0::/outer/inner\n");
  system.write("/sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n");
  CHECK(cores_with(system, nullptr) == all);
  system.write("/sys/fs/cgroup/outer/cpu.max", "50000 100000\n");
  CHECK(cores_with(system, nullptr) == 1);
  system.write("/sys/fs/cgroup/outer/cpu.max", "150000 100000\n");  // one and a half
  CHECK(cores_with(system, nullptr) == std::min(all, 2));

  const FakeSystem first;
  first.mount_version_1();
  first.write("/proc/self/cgroup", "2:cpu,cpuacct:/docker/abc\n");
  first.write("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1\n");
  first.write("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
  CHECK(cores_with(first, nullptr) == all);
  first.write("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "100000\n");
  CHECK(cores_with(first, nullptr) == 1);
}

}  // namespace margincore::test
