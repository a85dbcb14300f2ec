#include "data/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace margincore {

namespace {

struct Descriptor {
  explicit Descriptor(const std::string& path) : number(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number >= 0) close(number);
  }

  int number;
};

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const auto failed = [&](const std::string& why) {
    return Error(ErrorCode::InvalidData, path + " cannot be mapped into memory: " + why);
  };
  const Descriptor file(path);
  struct stat status{};
  if (file.number < 0 || fstat(file.number, &status) != 0) throw failed(std::strerror(errno));
  if (!S_ISREG(status.st_mode) || status.st_size == 0) throw failed("it is empty, or no regular file");
  size_ = static_cast<size_t>(status.st_size);
  // JavaScript may write to what it is shown: to a copy of the page then. No memory is set aside for that, which there is not
  // for a file larger than memory.
  memory_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.number, 0);
  if (memory_ == MAP_FAILED) throw failed(std::strerror(errno));
}

MappedFile::~MappedFile() { munmap(memory_, size_); }

uint8_t* MappedFile::range(int64_t begin, int64_t length) const {
  const auto size = static_cast<int64_t>(size_);
  if (begin < 0 || length < 0 || begin > size || length > size - begin)
    throw Error(ErrorCode::InvalidData,
                format("%s: expected %lld bytes from byte %lld on, found %zu in all", path_.c_str(),
                       static_cast<long long>(length), static_cast<long long>(begin), size_));
  return bytes() + begin;
}

}  // namespace margincore
