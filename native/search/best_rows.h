// The rows of the highest cosines that one query has met.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace margincore {

class BestRows {
 public:
  explicit BestRows(int64_t top) : top_(top) {}

  struct Match {
    float cosine;
    int32_t row;
  };

  /// Cosines of the rows `first`, `first` + 1, …
  void add(const float* cosines, int64_t count, int64_t first) {
    for (int64_t i = 0; i < count; ++i)
      if (cosines[i] > least_) add({cosines[i], static_cast<int32_t>(first + i)});
  }

  std::vector<Match> sorted() const {
    std::vector<Match> matches = heap_;
    std::sort(matches.begin(), matches.end(), is_better);
    return matches;
  }

 private:
  /// Of equal ones the row of the lower number: the order of the search does not show.
  static bool is_better(const Match& a, const Match& b) {
    return a.cosine > b.cosine || (a.cosine == b.cosine && a.row < b.row);
  }

  // The worst is at the front. Rows come in ascending order, so that one equal to the worst never displaces it.
  void add(Match match) {
    if (static_cast<int64_t>(heap_.size()) == top_) {
      std::pop_heap(heap_.begin(), heap_.end(), is_better);
      heap_.pop_back();
    }
    heap_.push_back(match);
    std::push_heap(heap_.begin(), heap_.end(), is_better);
    if (static_cast<int64_t>(heap_.size()) == top_) least_ = heap_.front().cosine;
  }

  int64_t top_;
  std::vector<Match> heap_;
  float least_ = -2;  // below any cosine
};

}  // namespace margincore
