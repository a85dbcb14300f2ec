#include "nn/activation_plan.h"

#include <algorithm>
#include <numeric>

namespace margincore {

ActivationPlan::Id ActivationPlan::add(int64_t bytes, int begin, int end) {
  constexpr int64_t kAlignment = 64;
  buffers_.push_back({(bytes + kAlignment - 1) / kAlignment * kAlignment, begin, end});
  return static_cast<Id>(buffers_.size()) - 1;
}

void ActivationPlan::extend(Id id, int begin, int end) {
  buffers_[id].begin = std::min(buffers_[id].begin, begin);
  buffers_[id].end = std::max(buffers_[id].end, end);
}

void ActivationPlan::arrange() {
  // Largest first; each takes the lowest gap among the placed ones that live at the same time.
  std::vector<Id> order(buffers_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](Id a, Id b) { return buffers_[a].bytes > buffers_[b].bytes; });
  std::vector<const Planned*> placed;  // by offset
  for (Id id : order) {
    Planned& buffer = buffers_[id];
    for (const Planned* other : placed) {
      const bool together = buffer.begin <= other->end && other->begin <= buffer.end;
      if (!together || other->offset + other->bytes <= buffer.offset) continue;
      if (buffer.offset + buffer.bytes <= other->offset) break;
      buffer.offset = other->offset + other->bytes;
    }
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &buffer,
                                   [](const Planned* a, const Planned* b) { return a->offset < b->offset; }),
                  &buffer);
    bytes_ = std::max(bytes_, buffer.offset + buffer.bytes);
  }
}

}  // namespace margincore
