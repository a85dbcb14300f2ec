#include "races.h"

#include <vector>

#include "grid.h"

// ThreadSanitizer's interface (sanitizer/tsan_interface.h), absent in other builds.
extern "C" {
[[gnu::weak]] void* __tsan_get_current_fiber();
[[gnu::weak]] void* __tsan_create_fiber(unsigned flags);
[[gnu::weak]] void __tsan_switch_to_fiber(void* fiber, unsigned flags);
[[gnu::weak]] void __tsan_acquire(void* address);
[[gnu::weak]] void __tsan_release(void* address);
}

namespace margincore::cuda_sim::races {
namespace {

constexpr unsigned kWithoutOrder = 1;  // a switch alone orders nothing

void* program = nullptr;     // its thread, which is also the simulator's
std::vector<void*> threads;  // by number_of(thread)
int64_t blocks = 0;          // that have begun

// Where threads leave word for others. Two of a kind, used in turn: who leaves a barrier must not learn from one who is
// at the next already; and a block is compared with the one before it, but comes after the one before that.
char block_begun, thread_ended[2], barrier[2][2], simulator_done;
size_t barriers_of[2 * kMaxThreads] = {};

size_t turn() { return static_cast<size_t>(blocks % 2); }

void switch_to(void* fiber) { __tsan_switch_to_fiber(fiber, kWithoutOrder); }

void switch_to_thread(int thread) {
  const size_t number = number_of(thread);
  if (threads.size() <= number) threads.resize(number + 1);
  if (threads[number] == nullptr) threads[number] = __tsan_create_fiber(0);
  switch_to(threads[number]);
}

char* next_barrier(int thread) { return &barrier[turn()][barriers_of[number_of(thread)] % 2]; }

}  // namespace

bool are_watched() { return &__tsan_create_fiber != nullptr; }

size_t number_of(int thread) { return 2 * static_cast<size_t>(thread) + turn(); }

void begin_launch() {
  if (are_watched()) program = __tsan_get_current_fiber();
}

void end_launch() {
  if (!are_watched()) return;
  for (char& ended : thread_ended) __tsan_acquire(&ended);
}

void begin_block() {
  ++blocks;
  if (!are_watched()) return;
  __tsan_acquire(&thread_ended[turn()]);
  __tsan_release(&block_begun);
}

void begin_thread(int thread) {
  if (!are_watched()) return;
  barriers_of[number_of(thread)] = 0;
  switch_to_thread(thread);
  __tsan_acquire(&block_begun);
}

void end_thread() {
  if (!are_watched()) return;
  __tsan_release(&thread_ended[turn()]);
  switch_to(program);
}

void arrive_at_barrier() {
  if (are_watched()) __tsan_release(next_barrier(place.thread));
}

void leave_barrier() {
  if (!are_watched()) return;
  __tsan_acquire(next_barrier(place.thread));
  ++barriers_of[number_of(place.thread)];
}

void pass_on(void* place) {
  if (!are_watched()) return;
  __tsan_release(place);
  __tsan_acquire(place);
}

Inside::Inside(int thread) : thread_(thread) {
  if (are_watched()) switch_to(program);
}

Inside::~Inside() {
  if (!are_watched()) return;
  __tsan_release(&simulator_done);
  switch_to_thread(thread_);
  __tsan_acquire(&simulator_done);
}

}  // namespace margincore::cuda_sim::races
