#include "job_value.h"

#include <sstream>

namespace margincore::jobs {

std::unique_ptr<Value> JobObject::at(const std::string& name) const {
  const auto renamed = instead_.find(name);
  const std::string key = prefix_ + (renamed == instead_.end() ? name : renamed->second);
  if (job_.has(key)) return std::make_unique<JobText>(job_.text(key));
  if (job_.has_any(key + "."))
    return std::make_unique<JobObject>(job_, std::map<std::string, std::string>{}, key + ".");
  return nullptr;
}

std::optional<double> JobText::number() const {
  try {
    size_t end = 0;
    const double value = std::stod(text_, &end);
    if (end == text_.size()) return value;
  } catch (const std::exception&) {
  }
  return {};
}

std::optional<bool> JobText::boolean() const {
  if (text_ == "0") return false;
  if (text_ == "1") return true;
  return {};
}

std::optional<std::vector<float>> JobText::floats() const {
  const Values items = *list();
  std::vector<float> floats;
  for (const std::unique_ptr<Value>& item : items) {
    const std::optional<double> number = item->number();
    if (!number) return {};
    floats.push_back(static_cast<float>(*number));
  }
  return floats;
}

std::optional<Values> JobText::list() const {
  Values values;
  std::istringstream items(text_);
  for (std::string item; std::getline(items, item, ',');) values.push_back(std::make_unique<JobText>(item));
  return values;
}

}  // namespace margincore::jobs
