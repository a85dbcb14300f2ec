// A file's bytes as memory, of which a page is only read once somebody looks at it, and which the system may drop and read
// again: images that together are larger than memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>

namespace margincore {

class MappedFile {
 public:
  /// Maps all of it as it is now. Nothing that is written to the memory reaches the file. Throws InvalidData, which says why.
  explicit MappedFile(const std::string& path);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  uint8_t* bytes() const { return static_cast<uint8_t*>(memory_); }
  size_t size() const { return size_; }

  /// To be called before the memory is read: the system ends a process that reads what was cut off, and what was written since is
  /// other data. Only a file that is changed in the moment between escapes it; one that is replaced by renaming is not changed.
  /// Throws InvalidData.
  void expect_unchanged() const;

  /// `length` bytes from `begin`. Throws InvalidData where the file has not as many.
  uint8_t* range(int64_t begin, int64_t length) const;

 private:
  std::string path_;
  int descriptor_ = -1;
  void* memory_ = nullptr;
  size_t size_ = 0;
  timespec modified_{};
};

}  // namespace margincore
