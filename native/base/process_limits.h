// What the system, a control group or the shell lets this process have of the machine.
#pragma once

#include <cstddef>
#include <set>
#include <string>

namespace margincore {

/// The memory that could be taken now without pushing others out.
struct MemoryRoom {
  size_t bytes;
  std::string limit;  // what holds the process tightest, or '' for the machine itself
};

/// The least of: what the machine has available; what is left in each control group that the process is in, of either
/// version, up to the root; and what is left of its limits on address space and data (RLIMIT_AS, RLIMIT_DATA).
/// `root` stands before every path, for tests.
MemoryRoom memory_room(const std::string& root = "");

/// '<bytes> are free', and by which limit; or that this is not known.
std::string describe_room(const std::string& root = "");

/// 'no memory for <bytes>', and what is free by which limit: for memory that the system refused.
std::string no_memory_for(size_t bytes);

/// Numbers of the processors in this thread's affinity mask; none where it cannot be read.
std::set<int> allowed_processors();
/// Those of the thread that asked first, for good. Asked before a library is loaded that pins the thread which loads it
/// (OpenMP, with OMP_PROC_BIND or OMP_PLACES): the threads that this one starts later would be pinned with it.
const std::set<int>& processors_at_start();
/// Lets this thread run on all of those again.
void run_on_processors_of_start();

/// The processor's cores that the process may use: physical ones, those with an allowed processor, no more than the
/// quotas of its control groups come to, rounded up, and no more than OMP_NUM_THREADS says. At least 1.
int usable_cores(const std::string& root = "", const std::set<int>& allowed = processors_at_start());

/// '1.50 GiB', '12.3 MiB'
std::string readable(size_t bytes);

}  // namespace margincore
