#include "backend/memory.h"

namespace margincore {

size_t free_memory(Backend& backend) {
  size_t bytes = 0;
  check(backend.available_memory(&bytes));
  return bytes;
}

std::string shortage(Backend& backend, size_t needed, size_t free, const std::string& estimate) {
  return readable(needed) + " of memory are needed (" + estimate + "), and " + readable(free) + " are free on " +
         backend.info().device;
}

void expect_memory(Backend& backend, size_t needed, const std::string& estimate) {
  const size_t free = free_memory(backend);
  if (needed > free) throw OutOfMemoryError(shortage(backend, needed, free, estimate), needed, free, 0);
}

std::string readable(size_t bytes) {
  const double mebibytes = static_cast<double>(bytes) / (1 << 20);
  return mebibytes < 1024 ? format("%.1f MiB", mebibytes) : format("%.2f GiB", mebibytes / 1024);
}

}  // namespace margincore
