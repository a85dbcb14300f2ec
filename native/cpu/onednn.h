// All that the rest of the CPU backend knows of oneDNN's version. Written for the 2.x API (Debian 12 has 2.6); a 3.x
// build replaces the constructors here and nothing else.
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

struct ConvolutionShape {
  dnnl::memory::desc x, w, bias, y;
  dnnl::memory::dims strides, padding;
  bool has_bias;
};

inline dnnl::convolution_forward::primitive_desc forward(const ConvolutionShape& s) {
  using Desc = dnnl::convolution_forward::desc;
  const auto kind = dnnl::prop_kind::forward_training;
  const auto algorithm = dnnl::algorithm::convolution_direct;
  return {s.has_bias ? Desc(kind, algorithm, s.x, s.w, s.bias, s.y, s.strides, s.padding, s.padding)
                     : Desc(kind, algorithm, s.x, s.w, s.y, s.strides, s.padding, s.padding),
          attributes(), engine()};
}

inline dnnl::convolution_backward_data::primitive_desc backward_data(const ConvolutionShape& s) {
  return {{dnnl::algorithm::convolution_direct, s.x, s.w, s.y, s.strides, s.padding, s.padding},
          attributes(),
          engine(),
          forward(s)};
}

/// Gradients of bf16 weights are fp32: s.w has their type, whereas the weights themselves have that of x.
inline dnnl::convolution_backward_weights::primitive_desc backward_filter(const ConvolutionShape& s) {
  using Desc = dnnl::convolution_backward_weights::desc;
  const auto algorithm = dnnl::algorithm::convolution_direct;
  ConvolutionShape as_forward = s;
  as_forward.w = {s.w.dims(), s.x.data_type(), dnnl::memory::format_tag::any};
  return {s.has_bias ? Desc(algorithm, s.x, s.w, s.bias, s.y, s.strides, s.padding, s.padding)
                     : Desc(algorithm, s.x, s.w, s.y, s.strides, s.padding, s.padding),
          attributes(), engine(), forward(as_forward)};
}

/// c = a·b (+ bias), or c += a·b: matrices given by descriptors with their strides.
inline dnnl::matmul::primitive_desc matmul(const dnnl::memory::desc& a, const dnnl::memory::desc& b,
                                           const dnnl::memory::desc& bias, const dnnl::memory::desc& c, bool adds) {
  using Desc = dnnl::matmul::desc;
  dnnl::primitive_attr wanted = attributes();
  if (adds) {
    dnnl::post_ops sum;
    sum.append_sum();
    wanted.set_post_ops(sum);
  }
  return {bias ? Desc(a, b, bias, c) : Desc(a, b, c), wanted, engine()};
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
