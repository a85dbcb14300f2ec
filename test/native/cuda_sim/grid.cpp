#include "grid.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>

#include "api.h"
#include "fibers.h"
#include "races.h"
#include "shared.h"

namespace margincore::cuda_sim {

Place place = {};

namespace {

/// Thrown where a thread waits, once its kernel has failed: unwinds its stack, so that the fiber can be used again.
struct Abandoned {};

enum class State : uint8_t { Fresh, Ready, AtBarrier, InShuffle, Ended };

struct Thread {
  State state;
  Fiber* fiber;  // that holds its stack, unless it is fresh or has ended
  Where where;   // it waits
  // Operands of a shuffle.
  void* value;
  size_t bytes;
  int mask;
};

/// Of 4 or 8 bytes: two moves, not a call.
void copy(void* to, const void* from, size_t bytes) {
  if (bytes == 4) std::memcpy(to, from, 4);
  else std::memcpy(to, from, 8);
}

/// The block that runs, and the fibers that carry its threads. A fiber takes up a fresh thread where its last one
/// ended, so threads that never wait share one fiber and need no switch.
class Scheduler {
 public:
  void run_block(const Launch& launch);
  bool failed() const { return failed_; }

  void barrier(Where where);
  void exchange(void* value, size_t bytes, int mask, Where where);
  [[noreturn]] void fail_running(const std::string& why);

 private:
  static constexpr int kNone = -1;

  static void carry();
  void start(int thread);
  void end();
  void wait(State state, Where where);
  int choose();
  void draw_turns();
  std::vector<int>* next_ready();
  void make_ready(int thread);
  void release_block();
  void release_warp(int first);
  bool wait_in_one_place(int first, int64_t count, const char* what);
  void fail(const std::string& why);
  std::string stalled() const;

  Thread& running() { return threads_[place.thread]; }
  Fiber& fiber_of(int thread);
  void go_to(Fiber& fiber);

  const Launch* launch_ = nullptr;
  bool failed_ = false, in_order_ = true;
  std::vector<Thread> threads_;
  /// Whose turn is first: threads that are ready, the next one last, or in any order where orders are random.
  std::vector<int> ready_[kMaxThreads / kWarp];
  int turns_[kMaxThreads / kWarp] = {};  // of each warp
  int64_t at_barrier_ = 0;
  int64_t in_shuffle_[kMaxThreads / kWarp] = {};

  Fiber program_;  // on which run_block was called
  Fiber* fiber_ = &program_;
  int starting_ = kNone;  // the fresh thread that the fiber which is being switched to has to take up
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;  // unless each thread has its own
};

Scheduler& scheduler() {
  static Scheduler& scheduler = *new Scheduler;
  return scheduler;
}

void Scheduler::run_block(const Launch& launch) {
  launch_ = &launch;
  failed_ = false;
  in_order_ = settings().shuffle == 0;
  at_barrier_ = 0;
  std::fill(std::begin(in_shuffle_), std::end(in_shuffle_), 0);
  threads_.assign(launch.threads, {});
  draw_turns();
  for (auto& ready : ready_) ready.clear();
  for (int64_t i = launch.threads - 1; i >= 0; --i) ready_[turns_[i / kWarp]].push_back(static_cast<int>(i));
  go_to(fiber_of(choose()));
}

/// Two kinds of random order, by the seed. Odd: any thread may be next, so that warps keep pace with each other. Even:
/// one warp runs as far as it can before the next one does, in a random order of warps: what a warp overwrites before
/// another has read it shows only where it is far ahead.
void Scheduler::draw_turns() {
  std::fill(std::begin(turns_), std::end(turns_), 0);
  if (in_order_ || settings().shuffle % 2 != 0) return;
  std::iota(std::begin(turns_), std::end(turns_), 0);
  for (size_t i = std::size(turns_) - 1; i > 0; --i) std::swap(turns_[i], turns_[random_below(i + 1)]);
}

/// What every fiber does, for ever.
void Scheduler::carry() {
  Scheduler& self = scheduler();
  for (;;) {
    place.thread = self.starting_;
    races::begin_thread(place.thread);
    try {
      self.launch_->thread();
      races::end_thread();
    } catch (const Abandoned&) {
      races::end_thread();
    }
    self.end();
  }
}

/// Returns on the fiber of the thread that ended, when that has another one to take up.
void Scheduler::end() {
  running().state = State::Ended;
  const int next = choose();
  if (!races::are_watched()) idle_.push_back(fiber_);
  go_to(next == kNone ? program_ : fiber_of(next));
}

void Scheduler::wait(State state, Where where) {
  const int self = place.thread;
  threads_[self].fiber = fiber_;
  threads_[self].where = where;
  threads_[self].state = state;
  if (state == State::AtBarrier && ++at_barrier_ == launch_->threads) release_block();
  if (state == State::InShuffle && ++in_shuffle_[self / kWarp] == kWarp) release_warp(self / kWarp * kWarp);
  go_to(fiber_of(choose()));  // there is one: this thread has not ended
  place.thread = self;
  if (failed_) throw Abandoned();
}

/// Returns when something goes to the fiber that called this.
void Scheduler::go_to(Fiber& fiber) {
  if (&fiber == fiber_) return;
  Fiber& here = *fiber_;
  fiber_ = &fiber;
  here.switch_to(fiber);
}

void Scheduler::make_ready(int thread) {
  threads_[thread].state = State::Ready;
  ready_[turns_[thread / kWarp]].push_back(thread);
}

/// The threads of which one is next; null where none is ready.
std::vector<int>* Scheduler::next_ready() {
  const auto some = std::find_if(std::begin(ready_), std::end(ready_), [](auto& ready) { return !ready.empty(); });
  return some == std::end(ready_) ? nullptr : some;
}

/// The thread to run next. Where all are stuck the kernel fails, and those that wait run to be unwound.
int Scheduler::choose() {
  std::vector<int>* ready = next_ready();
  if (ready == nullptr && !failed_) {
    const std::string why = stalled();
    if (!why.empty()) fail(why);
    ready = next_ready();
  }
  if (ready == nullptr) return kNone;
  if (!in_order_) std::swap((*ready)[random_below(ready->size())], ready->back());
  const int next = ready->back();
  ready->pop_back();
  return next;
}

/// A GPU may count threads at different barriers together, or not: an error, though here it would go on.
bool Scheduler::wait_in_one_place(int first, int64_t count, const char* what) {
  const Thread& one = threads_[first];
  for (int i = first; i < first + count; ++i) {
    const Thread& other = threads_[i];
    if (other.where.line() == one.where.line() && other.where.column() == one.where.column() &&
        other.bytes == one.bytes)
      continue;
    fail(format("threads %d and %d wait in different %s, lines %u and %u", first, i, what, one.where.line(),
                other.where.line()));
    return false;
  }
  return true;
}

void Scheduler::release_block() {
  if (!wait_in_one_place(0, launch_->threads, "barriers")) return;
  at_barrier_ = 0;
  for (int64_t i = launch_->threads - 1; i >= 0; --i) make_ready(static_cast<int>(i));
}

/// Lanes exchange their values here, all at once: one that runs on must not overwrite what another has not read.
void Scheduler::release_warp(int first) {
  if (!wait_in_one_place(first, kWarp, "shuffles")) return;
  in_shuffle_[first / kWarp] = 0;
  uint64_t values[kWarp];
  for (int lane = 0; lane < kWarp; ++lane) copy(&values[lane], threads_[first + lane].value, threads_[first].bytes);
  for (int lane = static_cast<int>(kWarp) - 1; lane >= 0; --lane) {
    const Thread& thread = threads_[first + lane];
    copy(thread.value, &values[lane ^ thread.mask], thread.bytes);
    make_ready(first + lane);
  }
}

void Scheduler::barrier(Where where) {
  races::arrive_at_barrier();
  {
    const races::Inside inside(place.thread);
    running().bytes = 0;
    wait(State::AtBarrier, where);
  }
  races::leave_barrier();
}

void Scheduler::exchange(void* value, size_t bytes, int mask, Where where) {
  const races::Inside inside(place.thread);
  if (mask < 0 || mask >= kWarp) fail_running(format("a shuffle with mask %d", mask));
  running().value = value;
  running().bytes = bytes;
  running().mask = mask;
  wait(State::InShuffle, where);
}

void Scheduler::fail(const std::string& why) {
  break_device(format("kernel %s, block %lld of %lld: %s", launch_->kernel, static_cast<long long>(place.block),
                      static_cast<long long>(place.blocks), why.c_str()));
  failed_ = true;
  for (auto& ready : ready_) ready.clear();  // fresh threads are not run any more
  for (size_t i = 0; i < threads_.size(); ++i)
    if (threads_[i].fiber != nullptr && threads_[i].state != State::Ended) make_ready(static_cast<int>(i));
}

void Scheduler::fail_running(const std::string& why) {
  running().state = State::Ended;  // it unwinds from where it is, without waiting
  if (!failed_) fail(why);
  throw Abandoned();
}

/// Called when no thread can run: why not, or "" where all have ended.
std::string Scheduler::stalled() const {
  int64_t count[5] = {};
  int first[5] = {};
  for (int i = static_cast<int>(threads_.size()) - 1; i >= 0; --i) {
    const auto state = static_cast<size_t>(threads_[i].state);
    ++count[state];
    first[state] = i;
  }
  const auto describe = [&](State state, const char* what) {
    const auto i = static_cast<size_t>(state);
    if (count[i] == 0) return std::string();
    const std::string line = state == State::Ended ? "" : format(", line %u", threads_[first[i]].where.line());
    return format(", %d %s (thread %d first%s)", static_cast<int>(count[i]), what, first[i], line.c_str());
  };
  if (count[static_cast<size_t>(State::Ended)] == launch_->threads) return "";
  return format("not all threads reach the same barrier or shuffle: of %d", static_cast<int>(launch_->threads)) +
         describe(State::AtBarrier, "wait at a barrier") + describe(State::InShuffle, "in a shuffle") +
         describe(State::Ended, "have ended");
}

/// Where a thread is to be resumed, or begun.
Fiber& Scheduler::fiber_of(int thread) {
  if (threads_[thread].state != State::Fresh) return *threads_[thread].fiber;
  starting_ = thread;
  if (!idle_.empty()) {
    Fiber* fiber = idle_.back();
    idle_.pop_back();
    return *fiber;
  }
  const size_t place = races::are_watched() ? races::number_of(thread) : fibers_.size();
  if (place >= fibers_.size()) fibers_.resize(place + 1);
  if (fibers_[place] == nullptr) fibers_[place] = std::make_unique<Fiber>(&Scheduler::carry);
  return *fibers_[place];
}

}  // namespace

void run(const Launch& launch) {
  if (!settings().fail.empty() && std::strstr(launch.kernel, settings().fail.c_str()) != nullptr) {
    break_device(format("kernel %s: made to fail", launch.kernel));
    return;
  }
  // Blocks in order, or from a random one on by a random step that shares no factor with their number.
  int64_t block = 0, step = 1;
  if (settings().shuffle != 0) {
    block = static_cast<int64_t>(random_below(launch.blocks));
    do {
      step = 1 + static_cast<int64_t>(random_below(launch.blocks));
    } while (std::gcd(step, launch.blocks) != 1);
  }
  place.threads = static_cast<int>(launch.threads);
  place.blocks = launch.blocks;
  races::begin_launch();
  for (int64_t i = 0; i < launch.blocks && !device_broken(); ++i, block = (block + step) % launch.blocks) {
    place.block = block;
    races::begin_block();
    clear_shared_memory();
    scheduler().run_block(launch);
  }
  races::end_launch();
}

void wait_for_block(Where where) { scheduler().barrier(where); }

void exchange(void* value, size_t bytes, int mask, Where where) { scheduler().exchange(value, bytes, mask, where); }

unsigned take_ticket(unsigned* counter, unsigned tickets) {
  races::pass_on(counter);
  const unsigned ticket = *counter;
  if (ticket >= tickets) {
    const races::Inside inside(place.thread);
    scheduler().fail_running(format("ticket %u of %u: its counter was not 0 at first", ticket, tickets));
  }
  *counter = (ticket + 1) % tickets;
  return ticket;
}

void* shared_memory(const void* key, size_t bytes, size_t alignment) {
  const races::Inside inside(place.thread);
  void* memory = find_shared_memory(key, bytes, alignment);
  if (memory == nullptr) scheduler().fail_running(format("more than %zu bytes of shared memory", kSharedBytes));
  return memory;
}

}  // namespace margincore::cuda_sim
