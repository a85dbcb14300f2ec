#include "data/mapped_samples.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "support/arrays.h"

namespace margincore::test {

namespace {

const Shape kImage = {2, 1, 3};
constexpr int64_t kSize = 6, kClasses = 4, kBegin = 5;

/// A file of its own, that ends with the test.
struct Written {
  explicit Written(const Bytes& bytes) {
    close(mkstemp(path.data()));
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  Written(const Written&) = delete;
  Written& operator=(const Written&) = delete;
  ~Written() { std::remove(path.c_str()); }

  Bytes read() const {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string path = "/tmp/margincore-mapped-XXXXXX";
};

/// Some bytes, then images whose bytes are their number.
Bytes images_behind_header(int count) {
  Bytes bytes(kBegin, 99);
  for (int i = 0; i < count; ++i) bytes.insert(bytes.end(), kSize, static_cast<uint8_t>(i));
  return bytes;
}

std::string refusal(const std::string& path, int64_t begin, const Ints& labels) {
  try {
    view_samples(std::make_shared<const MappedFile>(path), begin, labels, kImage, kClasses);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::InvalidData);
    return error.what();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("images lie where the file has them, for as long as the data is there") {
  const Written file(images_behind_header(3));
  Ints labels = {3, 0, 2};
  TrainingData data = view_samples(std::make_shared<const MappedFile>(file.path), kBegin, labels, kImage, kClasses);
  labels.assign(3, -1);  // the data has a copy
  std::remove(file.path.c_str());
  CHECK(data.count == 3);
  for (int64_t i = 0; i < 3; ++i) {
    CHECK(data.labels[i] == (Ints{3, 0, 2})[i]);
    for (int64_t pixel = 0; pixel < kSize; ++pixel) CHECK(data.images[i * kSize + pixel] == i);
  }
}

TEST_CASE("the file keeps its bytes, whatever is written to the memory") {
  const Bytes bytes = images_behind_header(2);
  const Written file(bytes);
  {
    const MappedFile mapped(file.path);
    CHECK(mapped.size() == bytes.size());
    mapped.bytes()[kBegin] = 77;
    CHECK(mapped.bytes()[kBegin] == 77);
  }
  CHECK(file.read() == bytes);
}

TEST_CASE("a file that is cut short or written to is noticed before it is read, another in its place is none") {
  const auto change_of = [](const TrainingData& data) -> std::string {
    try {
      data.expect_unchanged();
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::InvalidData);
      return error.what();
    }
    return "none";
  };
  const auto view = [](const Written& file) {
    return view_samples(std::make_shared<const MappedFile>(file.path), kBegin, Ints{0, 1, 2}, kImage, kClasses);
  };
  const Written replaced(images_behind_header(3)), other(images_behind_header(9));
  const TrainingData kept = view(replaced);
  CHECK(change_of(kept) == "none");
  REQUIRE(std::rename(other.path.c_str(), replaced.path.c_str()) == 0);
  CHECK(change_of(kept) == "none");
  CHECK(kept.images[2 * kSize] == 2);

  const Written cut(images_behind_header(3));
  const TrainingData lost = view(cut);
  REQUIRE(truncate(cut.path.c_str(), 4) == 0);
  CHECK(change_of(lost) == cut.path + " was written to while it was in use: it had 23 bytes, and has 4");

  const Written written(images_behind_header(3));
  const TrainingData stale = view(written);
  const timespec later[2] = {{0, UTIME_OMIT}, {1'000'000'000, 7}};
  REQUIRE(utimensat(AT_FDCWD, written.path.c_str(), later, 0) == 0);
  CHECK(change_of(stale) == written.path + " was written to while it was in use: it had 23 bytes, and has 23");
}

TEST_CASE("a file that is too short, labels that are no classes, and no file are refused") {
  const Written file(images_behind_header(3));
  const std::string expected = file.path + ": expected ";
  CHECK(refusal(file.path, kBegin, {0, 1, 2, 3}) == expected + "24 bytes from byte 5 on, found 23 in all");
  CHECK(refusal(file.path, kBegin + 1, {0, 1, 2}) == expected + "18 bytes from byte 6 on, found 23 in all");
  CHECK(refusal(file.path, 1000, {0}) == expected + "6 bytes from byte 1000 on, found 23 in all");
  CHECK(refusal(file.path, kBegin, {0, 4, 0}) == "expected labels of 0…3, found 4 at sample 1");
  CHECK(refusal(file.path, kBegin, {0, -1}) == "expected labels of 0…3, found -1 at sample 1");
  CHECK(refusal(file.path, kBegin, {}) == "expected 1…2147483647 training images, found 0");
  CHECK(refusal("/nowhere", 0, {0}) == "/nowhere cannot be mapped into memory: No such file or directory");
  CHECK(refusal("/tmp", 0, {0}) == "/tmp cannot be mapped into memory: it is empty, or no regular file");
  const Written empty(Bytes{});
  CHECK(refusal(empty.path, 0, {0}) == empty.path + " cannot be mapped into memory: it is empty, or no regular file");
}

}  // namespace margincore::test
