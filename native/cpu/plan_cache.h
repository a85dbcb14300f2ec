// Plans (compiled primitives with their memory objects) by the complete shape they were made for, bounded.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace margincore {

template <class Plan>
class PlanCache {
 public:
  using Key = std::array<int64_t, 14>;

  template <class Make>
  Plan& get(const Key& key, const Make& make) {
    const auto found = plans_.find(key);
    if (found != plans_.end()) return *found->second;
    if (plans_.size() >= kMost) plans_.clear();  // shapes vary without bound: start again rather than grow
    return *plans_.emplace(key, make()).first->second;
  }

  void append_names(std::vector<std::string>& names) const {
    for (const auto& [key, plan] : plans_) names.push_back(plan->implementation);
  }

 private:
  static constexpr size_t kMost = 512;
  std::map<Key, std::unique_ptr<Plan>> plans_;
};

}  // namespace margincore
