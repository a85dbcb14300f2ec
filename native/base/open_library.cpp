#include "base/open_library.h"

#include <dlfcn.h>
#include <elf.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "base/error.h"

namespace margincore {

namespace {

template <class Value>
bool read_at(std::ifstream& file, uint64_t place, Value& value) {
  file.seekg(static_cast<std::streamoff>(place));
  return static_cast<bool>(file.read(reinterpret_cast<char*>(&value), sizeof value));
}

/// To the end of the last segment that is mapped, and of the table of sections, which linkers write last.
uint64_t length_by_header(std::ifstream& file, const Elf64_Ehdr& header) {
  uint64_t length = header.e_shoff + uint64_t{header.e_shnum} * header.e_shentsize;
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    const uint64_t place = header.e_phoff + i * header.e_phentsize;
    if (!read_at(file, place, segment)) return std::max(length, place + sizeof segment);
    if (segment.p_type == PT_LOAD) length = std::max(length, segment.p_offset + segment.p_filesz);
  }
  return length;
}

}  // namespace

std::string cut_off(const std::filesystem::path& path) {
  std::error_code unknown;
  const uint64_t found = std::filesystem::file_size(path, unknown);
  std::ifstream file(path, std::ios::binary);
  Elf64_Ehdr header{};
  if (unknown || !read_at(file, 0, header)) return "";
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64) return "";
  const uint64_t expected = length_by_header(file, header);
  if (found >= expected) return "";
  return format("%s is cut off: it has %llu of %llu bytes", path.c_str(), static_cast<unsigned long long>(found),
                static_cast<unsigned long long>(expected));
}

OpenedLibrary open_library(const std::filesystem::path& path, int flags) {
  if (std::string reason = cut_off(path); !reason.empty()) return {nullptr, std::move(reason)};
  void* handle = dlopen(path.c_str(), flags);
  return {handle, handle == nullptr ? dlerror() : ""};
}

}  // namespace margincore
