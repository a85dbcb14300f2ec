#include "data/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace margincore {

MappedFile::MappedFile(const std::string& path)
    : path_(path), descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  const auto failed = [&](const std::string& why) {
    if (descriptor_ >= 0) close(descriptor_);
    return Error(ErrorCode::InvalidData, path + " cannot be mapped into memory: " + why);
  };
  struct stat status{};
  if (descriptor_ < 0 || fstat(descriptor_, &status) != 0) throw failed(std::strerror(errno));
  if (!S_ISREG(status.st_mode) || status.st_size == 0) throw failed("it is empty, or no regular file");
  size_ = static_cast<size_t>(status.st_size);
  modified_ = status.st_mtim;
  // JavaScript may write to what it is shown: to a copy of the page then. No memory is set aside for that, which there is not
  // for a file larger than memory.
  memory_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, descriptor_, 0);
  if (memory_ == MAP_FAILED) throw failed(std::strerror(errno));
}

MappedFile::~MappedFile() {
  munmap(memory_, size_);
  close(descriptor_);
}

void MappedFile::expect_unchanged() const {
  struct stat status{};
  if (fstat(descriptor_, &status) != 0)
    throw Error(ErrorCode::InvalidData, path_ + " can no longer be read: " + std::strerror(errno));
  const timespec& modified = status.st_mtim;
  const bool is_as_mapped = static_cast<size_t>(status.st_size) == size_ && modified.tv_sec == modified_.tv_sec &&
                            modified.tv_nsec == modified_.tv_nsec;
  if (is_as_mapped) return;
  throw Error(ErrorCode::InvalidData, format("%s was written to while it was in use: it had %zu bytes, and has %lld",
                                             path_.c_str(), size_, static_cast<long long>(status.st_size)));
}

uint8_t* MappedFile::range(int64_t begin, int64_t length) const {
  const auto size = static_cast<int64_t>(size_);
  if (begin < 0 || length < 0 || begin > size || length > size - begin)
    throw Error(ErrorCode::InvalidData,
                format("%s: expected %lld bytes from byte %lld on, found %zu in all", path_.c_str(),
                       static_cast<long long>(length), static_cast<long long>(begin), size_));
  return bytes() + begin;
}

}  // namespace margincore
