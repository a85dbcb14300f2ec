// What every simulated function begins and ends with: one lock, one counter, one way to refuse.
#pragma once

#include <cuda_runtime_api.h>

#include <mutex>
#include <string>

#include "base/error.h"  // format
#include "statistics.h"

namespace margincore::cuda_sim {

/// Held by every function of the runtime and the libraries, hence also while kernels run.
std::mutex& mutex();

/// To be changed under the lock.
Statistics& counters();

void report(const std::string& message);

/// As after a failed kernel: nothing works any more.
void break_device(const std::string& message);
bool device_broken();

/// The calling thread's.
int& current_device();

/// In [0, bound), bound at most 2^32: the random orders.
uint64_t random_below(uint64_t bound);

struct Refusal {
  std::string message;
};
template <class Code>
struct RefusalWith : Refusal {
  Code code;
};

/// Ends the call with this code, which is a cudaError_t, a cublasStatus_t or a cudnnStatus_t.
template <class Code>
[[noreturn]] void refuse(Code code, const std::string& message) {
  throw RefusalWith<Code>{{message}, code};
}

/// Runs a function's body. `broken` is the answer of a broken device, which still releases, so that it leaks nothing.
enum class On { WorkingDevice, AnyDevice };
template <class Code, class Body>
Code answer(const char* function, Code broken, Body body, On device = On::WorkingDevice) {
  const std::lock_guard lock(mutex());
  ++counters().calls[function];
  if (device_broken() && device == On::WorkingDevice) return broken;
  try {
    body();
  } catch (const RefusalWith<Code>& refusal) {
    report(std::string(function) + ": " + refusal.message);
    return refusal.code;
  } catch (const Refusal& refusal) {  // of the runtime, inside a library
    report(std::string(function) + ": " + refusal.message);
    return broken;
  }
  return device_broken() ? broken : Code{};
}

/// Handles that were given out, so that a stranger, or one that is destroyed, is refused and not followed.
void add_object(const void* object, const char* kind);
void remove_object(const void* object);
bool is_object(const void* object, const char* kind);

template <class Code>
void require_object(Code code, const void* object, const char* kind) {
  if (!is_object(object, kind)) refuse(code, format("%p is no %s, or it is destroyed", object, kind));
}

template <class Object, class Code>
void destroy(Code code, Object* object, const char* kind) {
  require_object(code, object, kind);
  remove_object(object);
  delete object;
}

}  // namespace margincore::cuda_sim
