// A descriptor of cuDNN's graph interface: attributes by name, as they were set.
#pragma once

#include <cstring>
#include <map>
#include <vector>

#include "cudnn_objects.h"

namespace margincore::cuda_sim::cudnn {

inline constexpr const char* kBackend = "cuDNN backend descriptor";

struct Attribute {
  int64_t count;
  std::vector<char> bytes;
};

/// What an engine's configuration comes to, whether the caller made it or the heuristics did.
struct Configuration {
  cudnnBackendDescriptor_t graph = nullptr;
  int64_t engine = 0;
  std::map<cudnnBackendKnobType_t, int64_t> knobs;
};

struct BackendDescriptor {
  cudnnBackendDescriptorType_t kind;
  bool finalized = false;
  std::map<cudnnBackendAttributeName_t, Attribute> attributes;
  Configuration configuration;  // of an ENGINECFG that is finalised

  template <class T>
  void set(cudnnBackendAttributeName_t name, const T* elements, int64_t count) {
    Attribute& attribute = attributes[name];
    attribute = {count, std::vector<char>(count * sizeof(T))};
    if (count > 0) std::memcpy(attribute.bytes.data(), elements, attribute.bytes.size());
  }

  /// None where it was not set.
  template <class T>
  std::vector<T> all(cudnnBackendAttributeName_t name) const {
    const auto found = attributes.find(name);
    if (found == attributes.end()) return {};
    std::vector<T> values(found->second.count);
    if (!values.empty()) std::memcpy(values.data(), found->second.bytes.data(), found->second.bytes.size());
    return values;
  }

  /// Of an attribute that a finalised descriptor has.
  template <class T>
  T one(cudnnBackendAttributeName_t name) const {
    return all<T>(name).front();
  }
};

/// One that still exists.
inline BackendDescriptor& descriptor_of(cudnnBackendDescriptor_t descriptor) {
  return object_of(static_cast<BackendDescriptor*>(descriptor), kBackend);
}

/// One that is finalised, and of this kind.
inline BackendDescriptor& finalized(cudnnBackendDescriptor_t descriptor, cudnnBackendDescriptorType_t kind) {
  BackendDescriptor& found = descriptor_of(descriptor);
  if (found.kind != kind) refuse(CUDNN_STATUS_BAD_PARAM, format("a descriptor of kind %d, not %d", found.kind, kind));
  if (!found.finalized) refuse(CUDNN_STATUS_BAD_PARAM, format("a descriptor of kind %d is not finalised", kind));
  return found;
}

// ---- what descriptors mean together (cudnn_engines.cpp) -------------------------------------------------------------

/// Throw a refusal where a descriptor's attributes, or those of the ones that it names, do not fit together.
void check_tensor(const BackendDescriptor& tensor);
void check_convolution(const BackendDescriptor& convolution);
void check_operation(const BackendDescriptor& operation);
void check_configuration(const Configuration& configuration);
void check_plan(const BackendDescriptor& plan);
void check_variant_pack(const BackendDescriptor& pack);

std::vector<Configuration> ranked(cudnnBackendDescriptor_t graph, cudnnBackendHeurMode_t mode);
std::vector<cudnnBackendNumericalNote_t> notes_of(int64_t engine);
void check_engine(int64_t engine);
int64_t workspace_of(const BackendDescriptor& plan);
void execute(cudnnHandle_t handle, const BackendDescriptor& plan, const BackendDescriptor& pack);

}  // namespace margincore::cuda_sim::cudnn
