// Stacks to switch between: a simulated thread that waits keeps its stack while others run.
#pragma once

#include <cstddef>

#if !defined(__x86_64__) || defined(MARGINCORE_SIM_UCONTEXT)
#define MARGINCORE_SIM_UCONTEXT 1
#include <ucontext.h>
#endif

namespace margincore::cuda_sim {

class Fiber {
 public:
  /// The stack that the program runs on already.
  Fiber() = default;

  /// A stack of its own, on which `body` runs at the first switch. It must not return.
  explicit Fiber(void (*body)());

  Fiber(const Fiber&) = delete;

  /// From this fiber, which is running, to another. Returns when some fiber switches back.
  void switch_to(Fiber& other);

 private:
  static void enter();
  static void arrive(Fiber& here);

  void (*body_)() = nullptr;
#if defined(MARGINCORE_SIM_UCONTEXT)
  ucontext_t context_ = {};
#else
  void* stack_pointer_ = nullptr;  // where the registers are saved
#endif
  // What AddressSanitizer must be told. A program's own stack is learned at the first switch away from it.
  const void* stack_ = nullptr;
  size_t stack_bytes_ = 0;
  void* fake_stack_ = nullptr;
};

}  // namespace margincore::cuda_sim
