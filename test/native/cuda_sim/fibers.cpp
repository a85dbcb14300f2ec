#include "fibers.h"

#include <sys/mman.h>

#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(MARGINCORE_SIM_UCONTEXT)
// Saves what a function must keep for its caller, and goes on where the other stack was left. swapcontext() does the
// same with two system calls, which takes fifty times as long.
extern "C" void margincore_sim_switch(void** saved, void* other);
asm(R"(
.text
.hidden margincore_sim_switch
.globl margincore_sim_switch
.type margincore_sim_switch, @function
margincore_sim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size margincore_sim_switch, .-margincore_sim_switch
)");
#endif

namespace margincore::cuda_sim {
namespace {

constexpr size_t kStackBytes = 256 * 1024;  // of address space: pages that no kernel touches cost nothing
constexpr size_t kGuardBytes = 4096;

Fiber* previous = nullptr;  // that was left last
Fiber* running = nullptr;

char* new_stack() {
  void* memory = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, kGuardBytes, PROT_NONE);
  return static_cast<char*>(memory) + kGuardBytes;
}

}  // namespace

Fiber::Fiber(void (*body)()) : body_(body), stack_(new_stack()), stack_bytes_(kStackBytes) {
  // Stacks that began at the same place in their pages would all compete for the same few lines of the caches.
  static size_t number = 0;
  stack_bytes_ -= ++number % 64 * 320;
#if defined(MARGINCORE_SIM_UCONTEXT)
  getcontext(&context_);
  context_.uc_stack.ss_sp = const_cast<void*>(stack_);
  context_.uc_stack.ss_size = stack_bytes_;
  makecontext(&context_, &Fiber::enter, 0);
#else
  auto** top = reinterpret_cast<void**>(static_cast<char*>(const_cast<void*>(stack_)) + stack_bytes_);
  *--top = nullptr;  // where a caller would be: ends every walk up the stack
  *--top = reinterpret_cast<void*>(&Fiber::enter);
  for (int i = 0; i < 6; ++i) *--top = nullptr;  // registers
  stack_pointer_ = top;
#endif
}

void Fiber::enter() {
  arrive(*running);
  running->body_();
  __builtin_unreachable();
}

void Fiber::switch_to(Fiber& other) {
  previous = this;
  running = &other;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&fake_stack_, other.stack_, other.stack_bytes_);
#endif
#if defined(MARGINCORE_SIM_UCONTEXT)
  swapcontext(&context_, &other.context_);
#else
  margincore_sim_switch(&stack_pointer_, other.stack_pointer_);
#endif
  arrive(*this);
}

void Fiber::arrive([[maybe_unused]] Fiber& here) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(here.fake_stack_, &previous->stack_, &previous->stack_bytes_);
#endif
}

}  // namespace margincore::cuda_sim
