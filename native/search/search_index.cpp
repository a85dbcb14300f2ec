#include "search/search_index.h"

#include <algorithm>
#include <cmath>

#include "backend/memory.h"
#include "base/process_limits.h"
#include "search/best_rows.h"

namespace margincore {

namespace {

constexpr int64_t kFirstBlock = 256;                  // rows
constexpr int64_t kLargestBlock = int64_t{64} << 20;  // bytes
/// Of one matmul. Their cosines are read again at once: on the CPU they are to stay near it.
constexpr int64_t kQueries = 128, kRowsOnHost = 8192, kRowsOnDevice = 65536;

int64_t rows_of(const std::vector<float>& values, int64_t size, const char* what) {
  if (values.size() % size != 0)
    throw Error(ErrorCode::ShapeMismatch,
                format("%s: %zu numbers are no rows of %lld", what, values.size(), static_cast<long long>(size)));
  return static_cast<int64_t>(values.size()) / size;
}

/// Throws InvalidData for a row that has no direction.
void expect_directions(const std::vector<float>& lengths, const char* what, int64_t first) {
  for (size_t i = 0; i < lengths.size(); ++i)
    if (!(lengths[i] > 0) || !std::isfinite(lengths[i]))
      throw Error(ErrorCode::InvalidData,
                  format("%s: row %lld has the length %g, expected one above 0 and finite", what,
                         static_cast<long long>(first) + static_cast<long long>(i), lengths[i]));
}

}  // namespace

SearchIndex::SearchIndex(std::string backend, const BackendOptions& options, int64_t size)
    : name_(std::move(backend)), options_(options), size_(size) {
  if (size < 1) throw Error(ErrorCode::InvalidOption, "an embedding has at least one number");
}

Backend& SearchIndex::backend() const {
  if (!backend_) backend_ = open_backend(name_, options_);
  return *backend_;
}

void SearchIndex::add(const std::vector<float>& embeddings, int64_t number) {
  const int64_t added = rows_of(embeddings, size_, "embeddings");
  if (count_ + added > INT32_MAX) throw Error(ErrorCode::Unsupported, "an index has at most 2,147,483,647 rows");
  reserve(count_ + added);
  for (int64_t done = 0; done < added;) {
    const int64_t first = count_ + done, some = std::min(added - done, end_of_block(first) - first);
    expect_directions(write_unit_rows(rows_at(first, some), embeddings.data() + done * size_), "embeddings",
                      number + done);
    done += some;
  }
  count_ += added;
}

void SearchIndex::reserve(int64_t count) {
  if (count <= capacity_) return;
  const int64_t row_bytes = size_ * static_cast<int64_t>(sizeof(float));
  expect_memory(backend(), (count - capacity_) * row_bytes,
                format("%lld embeddings of %lld numbers", static_cast<long long>(count - capacity_),
                       static_cast<long long>(size_)));
  const int64_t largest = std::max<int64_t>(1, kLargestBlock / row_bytes);
  while (capacity_ < count) {
    const int64_t rows = std::min(std::max(capacity_, kFirstBlock), largest);
    blocks_.push_back({Buffer(backend(), rows * row_bytes), capacity_, rows});
    capacity_ += rows;
  }
}

std::vector<float> SearchIndex::write_unit_rows(const Tensor& to, const float* rows) const {
  const int64_t count = to.shape[0];
  const Buffer norms(backend(), count * sizeof(float)), one(backend(), sizeof(float));
  const float value = 1;
  check(backend().upload(one.data(), &value, sizeof value));
  check(backend().upload(to.data, rows, to.bytes()));
  const Tensor lengths(norms.f32(), {count});
  check(backend().l2_scale_forward(to, lengths, {}, to, one.f32()));
  std::vector<float> result(count);
  check(backend().download(result.data(), lengths.data, lengths.bytes()));
  return result;
}

int64_t SearchIndex::end_of_block(int64_t row) const {
  const auto after =
      std::find_if(blocks_.begin(), blocks_.end(), [&](const Block& block) { return block.first > row; });
  return after == blocks_.end() ? capacity_ : after->first;
}

Tensor SearchIndex::rows_at(int64_t first, int64_t count) const {
  const auto after =
      std::find_if(blocks_.begin(), blocks_.end(), [&](const Block& block) { return block.first > first; });
  const Block& block = *std::prev(after);
  return {block.rows.f32() + (first - block.first) * size_, {count, size_}};
}

void SearchIndex::remove(std::vector<int32_t> rows) {
  std::sort(rows.begin(), rows.end(), std::greater<>());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  if (!rows.empty() && (rows.front() >= count_ || rows.back() < 0))
    throw Error(ErrorCode::InvalidOption,
                format("there is no row %d of %lld", rows.front(), static_cast<long long>(count_)));
  for (const int32_t row : rows) {
    --count_;
    if (row == count_) continue;
    const Tensor last = rows_at(count_, 1);
    check(backend().copy(rows_at(row, 1).data, last.data, last.bytes()));
  }
}

std::vector<float> SearchIndex::read(int64_t first, int64_t count) const {
  if (first < 0 || count < 0 || first + count > count_)
    throw Error(ErrorCode::InvalidOption, "the rows to read are not all there");
  std::vector<float> values(count * size_);
  for (int64_t done = 0; done < count;) {
    const int64_t row = first + done, some = std::min(count - done, end_of_block(row) - row);
    const Tensor rows = rows_at(row, some);
    check(backend().download(values.data() + done * size_, rows.data, rows.bytes()));
    done += some;
  }
  return values;
}

Matches SearchIndex::search(const std::vector<float>& queries, int64_t number, int64_t top,
                            const std::atomic<bool>& cancelled) const {
  const int64_t asked = rows_of(queries, size_, "queries");
  if (top < 1 || top > count_) throw Error(ErrorCode::InvalidOption, "top is from 1 to the number of rows");
  Matches result{std::vector<int32_t>(asked * top), std::vector<float>(asked * top)};
  if (asked == 0) return result;

  const bool on_host = backend().info().host_memory != 0;
  const int threads = backend().info().threads;
  const Work work(threads > 0 ? threads : usable_cores(), &cancelled);
  const int64_t most_queries = std::min(asked, kQueries),
                most_rows = std::min(count_, on_host ? kRowsOnHost : kRowsOnDevice);
  const Buffer units(backend(), most_queries * size_ * sizeof(float));
  const Buffer cosines(backend(), most_queries * most_rows * sizeof(float));
  std::vector<float> fetched(on_host ? 0 : most_queries * most_rows);

  work.in_pieces(asked, most_queries, [&](int64_t begin, int64_t end) {
    const int64_t some = end - begin;
    const Tensor batch(units.f32(), {some, size_});
    expect_directions(write_unit_rows(batch, queries.data() + begin * size_), "queries", number + begin);
    std::vector<BestRows> best(some, BestRows(top));
    for (int64_t row = 0; row < count_;) {
      work.expect_wanted();
      const int64_t rows = std::min({most_rows, count_ - row, end_of_block(row) - row});
      const Tensor products(cosines.f32(), {some, rows});
      check(backend().linear_forward(products, batch, rows_at(row, rows), {}));
      const float* values = cosines.f32();
      if (on_host) {
        check(backend().synchronize());
      } else {
        check(backend().download(fetched.data(), products.data, products.bytes()));
        values = fetched.data();
      }
      for (int64_t i = 0; i < some; ++i) best[i].add(values + i * rows, rows, row);
      row += rows;
    }
    for (int64_t i = 0; i < some; ++i) {
      int64_t at = (begin + i) * top;
      for (const BestRows::Match& match : best[i].sorted()) {
        result.rows[at] = match.row;
        result.cosines[at++] = std::clamp(match.cosine, -1.0f, 1.0f);
      }
    }
  });
  return result;
}

}  // namespace margincore
