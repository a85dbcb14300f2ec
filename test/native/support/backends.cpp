#include "support/backends.h"

#include <cstdlib>
#include <cstring>

namespace margincore::test {

const std::vector<Backend*>& backends() {
  static std::vector<BackendPtr> opened;
  static const std::vector<Backend*> available = [] {
    std::vector<Backend*> result;
    for (const std::string& name : backend_names()) {
      BackendOptions options{};
      options.deterministic = 1;
      opened.push_back(open_backend(name, options));
      result.push_back(opened.back().get());
    }
    return result;
  }();
  return available;
}

std::vector<DType> activation_types(const Backend& backend) {
  if (backend.info().bf16 == 0) return {DType::F32};
  return {DType::F32, DType::BF16};
}

std::vector<DType> weight_gradient_types(const Backend& backend, DType activations) {
  if (activations == DType::F32 || backend.info().bf16_gradients == 0) return {DType::F32};
  return {DType::F32, DType::BF16};
}

bool is_chosen(const std::string& name) {
  const char* chosen = std::getenv("MARGINCORE_TESTED_BACKENDS");
  return chosen == nullptr || name == chosen;
}

std::vector<std::string> backend_names() {
  std::vector<std::string> names;
  std::string reasons;
  for (const BackendAvailability& found : find_backends()) {
    if (!is_chosen(found.name)) continue;
    if (found.available) names.push_back(found.name);
    else reasons += "; " + found.name + ": " + found.reason;
  }
  if (names.empty()) throw Error(ErrorCode::DeviceUnavailable, "there is nothing to test" + reasons);
  return names;
}

bool is_required(const std::string& name) {
  if (!is_chosen(name)) return false;
  if (name == "cpu") return true;
  const char* value = std::getenv("REQUIRE_CUDA");
  return name == "cuda" && value != nullptr && std::strcmp(value, "1") == 0;
}

BackendAvailability availability(const std::string& name) {
  for (const BackendAvailability& found : find_backends())
    if (found.name == name) return found;
  throw Error(ErrorCode::Internal, "no backend is named " + name);
}

}  // namespace margincore::test
