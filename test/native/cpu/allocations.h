// What is taken from the heap, and by whom: this program defines malloc and the like, for its libraries too.
#pragma once

#include <cstdint>
#include <string>

namespace margincore::test {

struct Allocations {
  int64_t ours = 0, onednn = 0, others = 0;  // by the innermost caller that is our code or oneDNN; others: neither
  int64_t onednn_bytes = 0;
  int64_t mappings = 0;  // of memory pages, by whomever
  std::string places;    // of ours, as addresses in this program, for addr2line
};

/// By all threads, while `work` runs.
template <class Work>
Allocations allocations_of(const Work& work);

void start_counting_allocations();
Allocations stop_counting_allocations();

template <class Work>
Allocations allocations_of(const Work& work) {
  start_counting_allocations();
  work();
  return stop_counting_allocations();
}

}  // namespace margincore::test
