#include "cpu/machine.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <set>
#include <string>
#include <thread>

namespace margincore {

namespace {

constexpr size_t kUnknown = std::numeric_limits<size_t>::max();

/// The number in a file that holds nothing else; kUnknown for 'max', or where there is no such file.
size_t number_in(const char* path) {
  std::ifstream file(path);
  size_t value = 0;
  return file >> value ? value : kUnknown;
}

/// The value of a line 'name value', in a file of such lines.
size_t entry_in(const char* path, const std::string& entry) {
  std::ifstream file(path);
  std::string name;
  size_t value = 0;
  for (std::string line; file >> name >> value; std::getline(file, line))
    if (name == entry) return value;
  return kUnknown;
}

struct ControlGroup {
  const char *limit, *used, *statistics, *file_cache;
};

/// Version 2, then version 1, as a container sees its own.
constexpr ControlGroup kControlGroups[] = {
    {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "inactive_file"},
    {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes",
     "/sys/fs/cgroup/memory/memory.stat", "total_inactive_file"}};

size_t left_in_control_group() {
  for (const ControlGroup& group : kControlGroups) {
    const size_t limit = number_in(group.limit), used = number_in(group.used);
    if (limit == kUnknown || used == kUnknown) continue;
    // Cached files count as used, but make room when it is needed.
    const size_t cache = entry_in(group.statistics, group.file_cache);
    const size_t held = cache == kUnknown || cache > used ? used : used - cache;
    return limit > held ? limit - held : 0;
  }
  return kUnknown;
}

size_t available_on_machine() {
  const size_t kibibytes = entry_in("/proc/meminfo", "MemAvailable:");
  return kibibytes == kUnknown ? kUnknown : kibibytes * 1024;
}

}  // namespace

int default_threads() {
  std::set<std::string> cores;
  std::ifstream file("/proc/cpuinfo");
  std::string line, package;
  while (std::getline(file, line)) {
    if (line.rfind("physical id", 0) == 0) package = line;
    if (line.rfind("core id", 0) == 0) cores.insert(package + line);
  }
  // A container may be given fewer processors than the machine has cores.
  const int allowed = static_cast<int>(std::thread::hardware_concurrency());
  const int physical = cores.empty() ? allowed : static_cast<int>(cores.size());
  return std::max(1, std::min(physical, allowed));
}

size_t available_memory_of_this_process() { return std::min(available_on_machine(), left_in_control_group()); }

}  // namespace margincore
