// Embeddings in the memory of a backend, and the exact search among them by cosine: matmuls, of whose rows the highest
// are kept.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "backend/buffer.h"
#include "backend/load.h"

namespace margincore {

/// Of each query the nearest rows, the nearest first.
struct Matches {
  std::vector<int32_t> rows;   // (queries, top)
  std::vector<float> cosines;  // (queries, top)
};

/// All calls run on one thread.
class SearchIndex {
 public:
  /// Opens nothing yet. `size`: numbers of one embedding.
  SearchIndex(std::string backend, const BackendOptions& options, int64_t size);

  int64_t count() const { return count_; }
  int64_t size() const { return size_; }

  /// Appends embeddings (count, size), which are kept by direction. Throws InvalidData for one that has none, being
  /// zero or not finite, and OutOfMemory; then nothing was appended. `number`: what its message calls the first of them.
  void add(const std::vector<float>& embeddings, int64_t number = 0);
  /// The last row takes the place of each, the highest number first.
  void remove(std::vector<int32_t> rows);
  /// The rows as they are kept, of length 1.
  std::vector<float> read(int64_t first, int64_t count) const;
  /// `top` is at most `count()`; `number` as in `add`. Rows of equal cosines come in the order of their numbers. Throws Disposed once cancelled.
  Matches search(const std::vector<float>& queries, int64_t number, int64_t top,
                 const std::atomic<bool>& cancelled) const;

 private:
  /// Rows that lie together. A block is as large as all before it, up to a limit: no row moves as the index grows.
  struct Block {
    Buffer rows;
    int64_t first, capacity;
  };

  Backend& backend() const;
  void reserve(int64_t count);
  Tensor rows_at(int64_t first, int64_t count) const;  // of one block
  int64_t end_of_block(int64_t row) const;
  /// Copies of the rows, by direction, in device memory; what their lengths were.
  std::vector<float> write_unit_rows(const Tensor& to, const float* rows) const;

  std::string name_;
  BackendOptions options_;
  int64_t size_, count_ = 0, capacity_ = 0;
  // Destroyed in reverse order: what lives in device memory goes before the backend.
  mutable BackendPtr backend_;
  std::vector<Block> blocks_;
};

}  // namespace margincore
