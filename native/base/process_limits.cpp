#include "base/process_limits.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>
#include <vector>

#include "base/control_groups.h"
#include "base/error.h"

namespace margincore {

namespace {

constexpr size_t kUnknown = std::numeric_limits<size_t>::max();

/// The number that a file begins with; kUnknown for 'max', or where there is no such file.
size_t number_in(const std::string& path) {
  std::ifstream file(path);
  size_t value = 0;
  return file >> value ? value : kUnknown;
}

/// The number in a line 'name number'.
size_t entry_in(const std::string& path, const std::string& entry) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    size_t value = 0;
    if (words >> name >> value && name == entry) return value;
  }
  return kUnknown;
}

size_t kibibytes_in(const std::string& path, const std::string& entry) {
  const size_t kibibytes = entry_in(path, entry);
  return kibibytes == kUnknown ? kUnknown : kibibytes * 1024;
}

size_t rest(size_t limit, size_t used) {
  if (limit == kUnknown || used == kUnknown) return kUnknown;
  return limit > used ? limit - used : 0;
}

size_t left_in(const ControlGroup& group) {
  const bool second = group.version == 2;
  // Beyond memory.high a group is slowed down until it holds less, which is no better than a refusal.
  const size_t high = second ? number_in(group.folder + "/memory.high") : kUnknown;
  const size_t limit = std::min(high, number_in(group.folder + (second ? "/memory.max" : "/memory.limit_in_bytes")));
  const size_t used = number_in(group.folder + (second ? "/memory.current" : "/memory.usage_in_bytes"));
  if (limit == kUnknown || used == kUnknown) return kUnknown;
  // Cached files count as used, but make room when it is needed.
  const size_t cache = entry_in(group.folder + "/memory.stat", second ? "inactive_file" : "total_inactive_file");
  return rest(limit, cache == kUnknown || cache > used ? used : used - cache);
}

/// The soft limit of a line 'Max address space  <soft>  <hard>  bytes'; kUnknown where it is 'unlimited'.
size_t process_limit(const std::string& name, const std::string& root) {
  std::ifstream file(root + "/proc/self/limits");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name, 0) != 0) continue;
    std::istringstream words(line.substr(name.size()));
    size_t soft = 0;
    return words >> soft ? soft : kUnknown;
  }
  return kUnknown;
}

/// Where the system promises no more memory than it has (vm.overcommit_memory = 2): what it has not promised yet.
size_t left_to_promise(const std::string& root) {
  if (number_in(root + "/proc/sys/vm/overcommit_memory") != 2) return kUnknown;
  const std::string file = root + "/proc/meminfo";
  return rest(kibibytes_in(file, "CommitLimit:"), kibibytes_in(file, "Committed_AS:"));
}

int physical_cores(const std::set<int>& allowed, const std::string& root) {
  std::set<std::string> cores;
  std::ifstream file(root + "/proc/cpuinfo");
  std::string package;
  bool is_allowed = false;
  for (std::string line; std::getline(file, line);) {
    const std::string value = line.substr(std::min(line.size(), line.find(':') + 1));
    if (line.rfind("processor", 0) == 0) is_allowed = allowed.empty() || allowed.count(std::atoi(value.c_str())) > 0;
    if (line.rfind("physical id", 0) == 0) package = value;
    if (line.rfind("core id", 0) == 0 && is_allowed) cores.insert(package + "/" + value);
  }
  return static_cast<int>(cores.empty() ? allowed.size() : cores.size());
}

/// Processors that a group may keep busy; infinite without a quota.
double quota_of(const ControlGroup& group) {
  size_t quota = kUnknown, period = kUnknown;
  if (group.version == 2) {
    std::ifstream file(group.folder + "/cpu.max");
    if (!(file >> quota >> period)) quota = kUnknown;  // 'max 100000'
  } else {
    quota = number_in(group.folder + "/cpu.cfs_quota_us");  // -1 without one, which is no size
    period = number_in(group.folder + "/cpu.cfs_period_us");
  }
  const bool limited = quota != kUnknown && period != kUnknown && period > 0 && quota <= kUnknown / 2;
  return limited ? static_cast<double>(quota) / static_cast<double>(period) : HUGE_VAL;
}

/// The first number of OMP_NUM_THREADS, which is a list for nested loops; infinite where there is none.
double openmp_threads() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  const int count = text == nullptr ? 0 : std::atoi(text);
  return count > 0 ? count : HUGE_VAL;
}

}  // namespace

MemoryRoom memory_room(const std::string& root) {
  MemoryRoom room{kibibytes_in(root + "/proc/meminfo", "MemAvailable:"), ""};
  const auto consider = [&](size_t bytes, const std::string& limit) {
    if (bytes < room.bytes) room = {bytes, limit};
  };
  consider(left_to_promise(root), "what the system promises (vm.overcommit_memory = 2)");
  for (const ControlGroup& group : control_groups("memory", root))
    consider(left_in(group), "the memory limit of the control group " + group.name);
  const std::string status = root + "/proc/self/status";
  consider(rest(process_limit("Max address space", root), kibibytes_in(status, "VmSize:")),
           "the process's limit on address space (ulimit -v)");
  consider(rest(process_limit("Max data size", root), kibibytes_in(status, "VmData:")),
           "the process's limit on data (ulimit -d)");
  return room;
}

std::string describe_room(const std::string& root) {
  const MemoryRoom room = memory_room(root);
  if (room.bytes == kUnknown) return "how much is free is not known";
  return readable(room.bytes) + " are free" + (room.limit.empty() ? "" : " by " + room.limit);
}

std::string no_memory_for(size_t bytes) {
  const bool explained = memory_room().bytes < bytes;
  return "no memory for " + readable(bytes) + (explained ? ": " : ", although ") + describe_room();
}

std::set<int> allowed_processors() {
  for (int count = CPU_SETSIZE; count <= 1 << 16; count *= 2) {
    cpu_set_t* mask = CPU_ALLOC(count);
    const size_t bytes = CPU_ALLOC_SIZE(count);
    std::set<int> numbers;
    const bool read = sched_getaffinity(0, bytes, mask) == 0;
    for (int number = 0; read && number < count; ++number)
      if (CPU_ISSET_S(number, bytes, mask)) numbers.insert(number);
    CPU_FREE(mask);
    if (read) return numbers;
  }
  return {};
}

const std::set<int>& processors_at_start() {
  static const std::set<int> processors = allowed_processors();
  return processors;
}

void run_on_processors_of_start() {
  const std::set<int>& processors = processors_at_start();
  if (processors.empty()) return;
  const int count = *processors.rbegin() + 1;
  cpu_set_t* mask = CPU_ALLOC(count);
  const size_t bytes = CPU_ALLOC_SIZE(count);
  CPU_ZERO_S(bytes, mask);
  for (int number : processors) CPU_SET_S(number, bytes, mask);
  sched_setaffinity(0, bytes, mask);  // where that is refused, the thread runs where it may
  CPU_FREE(mask);
}

int usable_cores(const std::string& root, const std::set<int>& allowed) {
  double cores = physical_cores(allowed, root);
  for (const ControlGroup& group : control_groups("cpu", root)) cores = std::min(cores, std::ceil(quota_of(group)));
  return static_cast<int>(std::max(1.0, std::min(cores, openmp_threads())));
}

std::string readable(size_t bytes) {
  const double mebibytes = static_cast<double>(bytes) / (1 << 20);
  return mebibytes < 1024 ? format("%.1f MiB", mebibytes) : format("%.2f GiB", mebibytes / 1024);
}

}  // namespace margincore
