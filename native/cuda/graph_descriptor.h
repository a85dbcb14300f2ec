// A descriptor of cuDNN's graph interface.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "cuda/check.h"

namespace margincore {

template <class T>
inline constexpr cudnnBackendAttributeType_t kAttributeType = [] {
  if constexpr (std::is_same_v<T, int64_t>) return CUDNN_TYPE_INT64;
  else if constexpr (std::is_same_v<T, float>) return CUDNN_TYPE_FLOAT;
  else if constexpr (std::is_same_v<T, cudnnHandle_t>) return CUDNN_TYPE_HANDLE;
  else if constexpr (std::is_same_v<T, cudnnDataType_t>) return CUDNN_TYPE_DATA_TYPE;
  else if constexpr (std::is_same_v<T, cudnnConvolutionMode_t>) return CUDNN_TYPE_CONVOLUTION_MODE;
  else if constexpr (std::is_same_v<T, cudnnBackendHeurMode_t>) return CUDNN_TYPE_HEUR_MODE;
  else if constexpr (std::is_same_v<T, cudnnBackendKnobType_t>) return CUDNN_TYPE_KNOB_TYPE;
  else if constexpr (std::is_same_v<T, cudnnBackendNumericalNote_t>) return CUDNN_TYPE_NUMERICAL_NOTE;
}();

/// What it does not take shows when it is finalised: which of them cuDNN supports is its own affair, and no error.
class GraphDescriptor {
 public:
  explicit GraphDescriptor(cudnnBackendDescriptorType_t kind) {
    cudnnBackendDescriptor_t made = nullptr;
    MARGINCORE_CHECK(cudnnBackendCreateDescriptor(kind, &made));
    handle_.reset(made);
  }

  template <class T>
  void set(cudnnBackendAttributeName_t name, T value) {
    set_all(name, kAttributeType<T>, 1, &value);
  }
  void set(cudnnBackendAttributeName_t name, const std::vector<int64_t>& values) {
    set_all(name, CUDNN_TYPE_INT64, values.size(), values.data());
  }
  void set(cudnnBackendAttributeName_t name, const GraphDescriptor& other) {
    cudnnBackendDescriptor_t handle = other.handle_.get();
    set_all(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &handle);
  }
  void set(cudnnBackendAttributeName_t name, const std::vector<GraphDescriptor>& others) {
    const auto handles = handles_of(others);
    set_all(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, handles.size(), handles.data());
  }
  /// Of device memory.
  void set_pointers(cudnnBackendAttributeName_t name, const std::vector<void*>& pointers) {
    set_all(name, CUDNN_TYPE_VOID_PTR, pointers.size(), pointers.data());
  }

  /// Whether cuDNN supports it.
  bool finalize() {
    is_taken_ = is_taken_ && cudnnBackendFinalize(handle_.get()) == CUDNN_STATUS_SUCCESS;
    if (!is_taken_) cudaGetLastError();  // not to be met again by a later call
    return is_taken_;
  }

  /// The first values, at most `most`; nothing where cuDNN has no answer, which is not the same as none.
  template <class T>
  std::optional<std::vector<T>> all(cudnnBackendAttributeName_t name, size_t most) const {
    std::vector<T> values(most);
    const auto count = get_all(name, kAttributeType<T>, most, values.data());
    if (!count) return std::nullopt;
    values.resize(std::min(most, *count));
    return values;
  }
  template <class T>
  std::optional<T> one(cudnnBackendAttributeName_t name) const {
    const auto values = all<T>(name, 1);
    return values && !values->empty() ? std::optional(values->front()) : std::nullopt;
  }
  std::vector<GraphDescriptor> get(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t kind,
                                   size_t most) const {
    std::vector<GraphDescriptor> others;
    for (size_t i = 0; i < most; ++i) others.emplace_back(kind);
    auto handles = handles_of(others);
    const size_t given = get_all(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, most, handles.data()).value_or(0);
    while (others.size() > given) others.pop_back();
    return others;
  }
  size_t count(cudnnBackendAttributeName_t name) const {
    return get_all(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr).value_or(0);
  }

  /// With descriptors that are finalised.
  static cudnnStatus_t execute(cudnnHandle_t handle, const GraphDescriptor& plan, const GraphDescriptor& pack) {
    return cudnnBackendExecute(handle, plan.handle_.get(), pack.handle_.get());
  }

 private:
  struct Destroy {
    void operator()(cudnnBackendDescriptor_t descriptor) const { cudnnBackendDestroyDescriptor(descriptor); }
  };

  static std::vector<cudnnBackendDescriptor_t> handles_of(const std::vector<GraphDescriptor>& descriptors) {
    std::vector<cudnnBackendDescriptor_t> handles;
    for (const GraphDescriptor& one : descriptors) handles.push_back(one.handle_.get());
    return handles;
  }
  void set_all(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, size_t count, const void* values) {
    is_taken_ &= cudnnBackendSetAttribute(handle_.get(), name, type, static_cast<int64_t>(count), values) ==
                 CUDNN_STATUS_SUCCESS;
  }
  /// How many there are.
  std::optional<size_t> get_all(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, size_t requested,
                                void* values) const {
    int64_t count = 0;
    if (cudnnBackendGetAttribute(handle_.get(), name, type, static_cast<int64_t>(requested), &count, values) !=
        CUDNN_STATUS_SUCCESS)
      return std::nullopt;
    return static_cast<size_t>(count);
  }

  std::unique_ptr<void, Destroy> handle_;
  bool is_taken_ = true;
};

}  // namespace margincore
