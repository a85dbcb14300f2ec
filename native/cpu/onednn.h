// All that the rest of the CPU backend knows of oneDNN's version: 2.x (Debian 12 has 2.6) or 3.x (Debian 13 has 3.7), where
// what a primitive computes is no object of its own any more.
#pragma once

#include <dnnl.hpp>

#include <string>
#include <vector>

#include "base/error.h"
#include "base/process_limits.h"
#include "base/tensor.h"

namespace margincore::onednn {

inline dnnl::engine& engine() {
  static dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

inline dnnl::memory::data_type data_type(DType type) {
  return type == DType::BF16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

/// Scratch memory is ours: one block for all primitives instead of one each.
inline dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

/// What a primitive reads and writes, by its names for them. The memory objects have to outlive the list.
using Operands = std::vector<dnnl_exec_arg_t>;

/// primitive.execute() would copy the operands to a list on the heap, at every call.
inline void execute(const dnnl::primitive& primitive, const dnnl::stream& stream, const Operands& operands) {
  dnnl::error::wrap_c_api(
      dnnl_primitive_execute(primitive.get(), stream.get(), static_cast<int>(operands.size()), operands.data()),
      "could not execute a primitive");
}

constexpr auto kDirect = dnnl::algorithm::convolution_direct;

struct ConvolutionShape {
  dnnl::memory::desc x, w, bias, y;
  dnnl::memory::dims strides, padding;
  bool has_bias;
};

#if DNNL_VERSION_MAJOR >= 3

inline dnnl::memory::dims dims_of(const dnnl::memory::desc& desc) { return desc.get_dims(); }
inline dnnl::memory::data_type type_of(const dnnl::memory::desc& desc) { return desc.get_data_type(); }

inline dnnl::convolution_forward::primitive_desc forward(const ConvolutionShape& s) {
  using Description = dnnl::convolution_forward::primitive_desc;
  const auto kind = dnnl::prop_kind::forward_training;
  return s.has_bias
             ? Description(engine(), kind, kDirect, s.x, s.w, s.bias, s.y, s.strides, s.padding, s.padding,
                           attributes())
             : Description(engine(), kind, kDirect, s.x, s.w, s.y, s.strides, s.padding, s.padding, attributes());
}

inline dnnl::convolution_backward_data::primitive_desc backward_data(const ConvolutionShape& s) {
  return {engine(), kDirect, s.x, s.w, s.y, s.strides, s.padding, s.padding, forward(s), attributes()};
}

inline dnnl::convolution_backward_weights::primitive_desc backward_weights(const ConvolutionShape& s,
                                                                           const ConvolutionShape& as_forward) {
  using Description = dnnl::convolution_backward_weights::primitive_desc;
  return s.has_bias ? Description(engine(), kDirect, s.x, s.w, s.bias, s.y, s.strides, s.padding, s.padding,
                                  forward(as_forward), attributes())
                    : Description(engine(), kDirect, s.x, s.w, s.y, s.strides, s.padding, s.padding,
                                  forward(as_forward), attributes());
}

inline dnnl::matmul::primitive_desc product(const dnnl::memory::desc& a, const dnnl::memory::desc& b,
                                            const dnnl::memory::desc& bias, const dnnl::memory::desc& c,
                                            const dnnl::primitive_attr& wanted) {
  using Description = dnnl::matmul::primitive_desc;
  return bias ? Description(engine(), a, b, bias, c, wanted) : Description(engine(), a, b, c, wanted);
}

#else

inline dnnl::memory::dims dims_of(const dnnl::memory::desc& desc) { return desc.dims(); }
inline dnnl::memory::data_type type_of(const dnnl::memory::desc& desc) { return desc.data_type(); }

inline dnnl::convolution_forward::primitive_desc forward(const ConvolutionShape& s) {
  using Desc = dnnl::convolution_forward::desc;
  const auto kind = dnnl::prop_kind::forward_training;
  return {s.has_bias ? Desc(kind, kDirect, s.x, s.w, s.bias, s.y, s.strides, s.padding, s.padding)
                     : Desc(kind, kDirect, s.x, s.w, s.y, s.strides, s.padding, s.padding),
          attributes(), engine()};
}

inline dnnl::convolution_backward_data::primitive_desc backward_data(const ConvolutionShape& s) {
  return {{kDirect, s.x, s.w, s.y, s.strides, s.padding, s.padding}, attributes(), engine(), forward(s)};
}

inline dnnl::convolution_backward_weights::primitive_desc backward_weights(const ConvolutionShape& s,
                                                                           const ConvolutionShape& as_forward) {
  using Desc = dnnl::convolution_backward_weights::desc;
  return {s.has_bias ? Desc(kDirect, s.x, s.w, s.bias, s.y, s.strides, s.padding, s.padding)
                     : Desc(kDirect, s.x, s.w, s.y, s.strides, s.padding, s.padding),
          attributes(), engine(), forward(as_forward)};
}

inline dnnl::matmul::primitive_desc product(const dnnl::memory::desc& a, const dnnl::memory::desc& b,
                                            const dnnl::memory::desc& bias, const dnnl::memory::desc& c,
                                            const dnnl::primitive_attr& wanted) {
  using Desc = dnnl::matmul::desc;
  return {bias ? Desc(a, b, bias, c) : Desc(a, b, c), wanted, engine()};
}

#endif

/// Gradients of bf16 weights are fp32: s.w has their type, whereas the weights themselves have that of x.
inline dnnl::convolution_backward_weights::primitive_desc backward_filter(const ConvolutionShape& s) {
  ConvolutionShape as_forward = s;
  as_forward.w = {dims_of(s.w), type_of(s.x), dnnl::memory::format_tag::any};
  return backward_weights(s, as_forward);
}

/// c = a·b (+ bias), or c += a·b: matrices given by descriptors with their strides.
inline dnnl::matmul::primitive_desc matmul(const dnnl::memory::desc& a, const dnnl::memory::desc& b,
                                           const dnnl::memory::desc& bias, const dnnl::memory::desc& c, bool adds) {
  dnnl::primitive_attr wanted = attributes();
  if (adds) {
    dnnl::post_ops sum;
    sum.append_sum();
    wanted.set_post_ops(sum);
  }
  return product(a, b, bias, c, wanted);
}

/// Whether oneDNN uses these instructions: a bit for each set and for those below it.
inline bool uses(dnnl::cpu_isa set) {
  const auto needed = static_cast<unsigned>(set);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & needed) == needed;
}

/// Whether the processor multiplies bf16 numbers: with AVX512_BF16, or AMX (which oneDNN takes to include it). Where it
/// does not, the library imitates it or takes its reference loops.
inline bool multiplies_bf16() { return uses(dnnl::cpu_isa::avx512_core_bf16); }
inline bool has_amx() { return uses(dnnl::cpu_isa::avx512_core_amx); }

inline std::string version() {
  const dnnl_version_t* version = dnnl_version();
  return format("oneDNN %d.%d.%d", version->major, version->minor, version->patch);
}

/// Runs `body` and turns the library's exceptions into a Status that starts with the operation's name.
template <class Body>
Status guarded(const char* operation, const Body& body) {
  try {
    body();
    return Status::success();
  } catch (const dnnl::error& error) {
    const bool memory = error.status == dnnl_out_of_memory;
    return Status::failure(memory ? ErrorCode::OutOfMemory : ErrorCode::Internal, "%s: oneDNN: %s", operation,
                           error.what());
  } catch (const std::bad_alloc&) {
    return Status::failure(ErrorCode::OutOfMemory, "%s: no memory for its workspace: %s", operation,
                           describe_room().c_str());
  } catch (const Error& error) {
    return Status::failure(error.code(), "%s: %s", operation, error.what());
  } catch (const std::exception& error) {
    return Status::failure(ErrorCode::Internal, "%s: %s", operation, error.what());
  }
}

}  // namespace margincore::onednn
