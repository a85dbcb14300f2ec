// For a build with ThreadSanitizer: makes every simulated thread one of its threads, ordered with the others by nothing
// but barriers, tickets and launches. So it reports what no order of execution shows: two threads, of one block or of
// two, that touch the same memory with none of these between them, although each order gives the right result. (Shuffles
// order nothing, as on a GPU.) Of blocks, neighbours in the order of execution are compared.
//
// The simulator itself must not be instrumented. In other builds all of this does nothing.
#pragma once

#include <cstddef>

namespace margincore::cuda_sim::races {

/// Whether ThreadSanitizer is there.
bool are_watched();

void begin_launch();
void end_launch();
void begin_block();

/// The number of a thread of this block among those that are told apart: each needs a stack of its own, since one that
/// two share would look like a race.
size_t number_of(int thread);

/// The code between the two is that of a simulated thread.
void begin_thread(int thread);
void end_thread();

void arrive_at_barrier();
void leave_barrier();

/// The running thread comes after all that passed this place before, and before all that will.
void pass_on(void* place);

/// While one exists, a simulated thread is at work inside the simulator.
class Inside {
 public:
  explicit Inside(int thread);
  ~Inside();
  Inside(const Inside&) = delete;

 private:
  int thread_;
};

}  // namespace margincore::cuda_sim::races
