#include "backend/memory.h"

namespace margincore {

size_t free_memory(Backend& backend) {
  size_t bytes = 0;
  check(backend.available_memory(&bytes));
  return bytes;
}

std::string shortage(Backend& backend, size_t needed, size_t free, const std::string& estimate) {
  const std::string limit = backend.info().host_memory != 0 ? memory_room().limit : "";
  return readable(needed) + " of memory are needed (" + estimate + "), and " + readable(free) +
         (limit.empty() ? "" : " (by " + limit + ")") + " are free on " + backend.info().device;
}

void expect_memory(Backend& backend, size_t needed, const std::string& estimate) {
  const size_t free = free_memory(backend);
  if (needed > free) throw OutOfMemoryError(shortage(backend, needed, free, estimate), needed, free, 0);
}

}  // namespace margincore
