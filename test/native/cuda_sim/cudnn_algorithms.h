// What cuDNN's three convolutions have in common: descriptors read together, algorithms, checks, and the work queued.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "convolution.h"
#include "cudnn_objects.h"
#include "matmul.h"
#include "memory.h"
#include "streams.h"

namespace margincore::cuda_sim::cudnn {

inline Element element_of(cudnnDataType_t type) {
  if (type == CUDNN_DATA_FLOAT) return Element::F32;
  if (type != CUDNN_DATA_BFLOAT16) refuse(CUDNN_STATUS_NOT_SUPPORTED, format("type %d is not simulated", type));
  if (settings().capability < 80) refuse(CUDNN_STATUS_ARCH_MISMATCH, "bfloat16 needs compute capability 8.0");
  return Element::Bf16;
}

/// To what operands are rounded before they are multiplied.
enum class Rounding { None, Tf32, Bf16 };

/// What a call's descriptors say together.
struct Problem {
  Convolution shape;
  Element element;  // of the operands
  Rounding rounding;
  cudnnMathType_t math;
};

inline int64_t output_size(int64_t size, int64_t filter, int64_t padding, int64_t stride, int64_t dilation) {
  const int64_t free = size + 2 * padding - ((filter - 1) * dilation + 1);
  if (free < 0) refuse(CUDNN_STATUS_BAD_PARAM, "the filter is larger than the padded image");
  return free / stride + 1;
}

inline Convolution shape_of(const cudnnTensorStruct& x, const cudnnFilterStruct& w, const cudnnConvolutionStruct& c) {
  if (x.n == 0 || w.k == 0 || c.groups == 0) refuse(CUDNN_STATUS_BAD_PARAM, "a descriptor is not set");
  if (x.c != w.c * c.groups || w.k % c.groups != 0)
    refuse(CUDNN_STATUS_BAD_PARAM,
           format("%d channels of x, %d filters of %d channels and %d groups do not match", x.c, w.k, w.c, c.groups));
  return {x.n,
          x.h,
          x.w,
          x.c,
          output_size(x.h, w.h, c.padding_height, c.stride_height, c.dilation_height),
          output_size(x.w, w.w, c.padding_width, c.stride_width, c.dilation_width),
          w.k,
          w.h,
          w.w,
          c.padding_height,
          c.padding_width,
          c.stride_height,
          c.stride_width,
          c.dilation_height,
          c.dilation_width,
          c.groups};
}

inline Problem problem_of(cudnnHandle_t handle, cudnnTensorDescriptor_t x_descriptor,
                          cudnnFilterDescriptor_t w_descriptor, cudnnConvolutionDescriptor_t convolution_descriptor,
                          cudnnTensorDescriptor_t y_descriptor) {
  object_of(handle, kHandle);
  const auto &x = object_of(x_descriptor, kTensor), &y = object_of(y_descriptor, kTensor);
  const auto& w = object_of(w_descriptor, kFilter);
  const auto& convolution = object_of(convolution_descriptor, kConvolution);
  const Convolution shape = shape_of(x, w, convolution);
  if (y.n != x.n || y.c != w.k || y.h != shape.out_height || y.w != shape.out_width)
    refuse(CUDNN_STATUS_BAD_PARAM,
           format("y is %d x %d x %d x %d (NHWC), the convolution gives %d x %d x %d x %d", y.n, y.h, y.w, y.c, x.n,
                  static_cast<int>(shape.out_height), static_cast<int>(shape.out_width), w.k));
  if (x.type != w.type || x.type != y.type) refuse(CUDNN_STATUS_BAD_PARAM, "x, w and y are of different types");
  const Element element = element_of(x.type);
  const bool tf32 = element == Element::F32 && convolution.math != CUDNN_FMA_MATH && settings().capability >= 80;
  return {shape, element, tf32 ? Rounding::Tf32 : Rounding::None, convolution.math};
}

template <class Algorithm>
struct Candidate {
  Algorithm algorithm;
  bool deterministic;
};

// Operands are `first`, `second` and `out`, in the order of the functions' parameters.
struct Forward {
  using Algorithm = cudnnConvolutionFwdAlgo_t;
  using Performance = cudnnConvolutionFwdAlgoPerf_t;
  static constexpr Candidate<Algorithm> kCandidates[] = {{CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, true},
                                                         {CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM, true}};
  static int64_t first(const Convolution& c) { return c.x_count(); }
  static int64_t second(const Convolution& c) { return c.w_count(); }
  static int64_t out(const Convolution& c) { return c.y_count(); }
  static Doubles compute(const Convolution& c, const Floats& x, const Floats& w) { return convolve_forward(c, x, w); }
};

struct BackwardData {
  using Algorithm = cudnnConvolutionBwdDataAlgo_t;
  using Performance = cudnnConvolutionBwdDataAlgoPerf_t;
  static constexpr Candidate<Algorithm> kCandidates[] = {{CUDNN_CONVOLUTION_BWD_DATA_ALGO_0, false},
                                                         {CUDNN_CONVOLUTION_BWD_DATA_ALGO_1, true}};
  static int64_t first(const Convolution& c) { return c.w_count(); }
  static int64_t second(const Convolution& c) { return c.y_count(); }
  static int64_t out(const Convolution& c) { return c.x_count(); }
  static Doubles compute(const Convolution& c, const Floats& w, const Floats& dy) {
    return convolve_backward_data(c, dy, w);
  }
};

struct BackwardFilter {
  using Algorithm = cudnnConvolutionBwdFilterAlgo_t;
  using Performance = cudnnConvolutionBwdFilterAlgoPerf_t;
  static constexpr Candidate<Algorithm> kCandidates[] = {{CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0, false},
                                                         {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3, false},
                                                         {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1, true}};
  static int64_t first(const Convolution& c) { return c.x_count(); }
  static int64_t second(const Convolution& c) { return c.y_count(); }
  static int64_t out(const Convolution& c) { return c.w_count(); }
  static Doubles compute(const Convolution& c, const Floats& x, const Floats& dy) {
    return convolve_backward_filter(c, dy, x);
  }
};

template <class Direction>
bool is_deterministic(typename Direction::Algorithm algorithm) {
  for (const auto& candidate : Direction::kCandidates)
    if (candidate.algorithm == algorithm) return candidate.deterministic;
  refuse(CUDNN_STATUS_NOT_SUPPORTED, format("algorithm %d is not simulated", algorithm));
}

/// Never 0, and different for every shape, algorithm and arithmetic, so that one which is too small is found.
template <class Direction>
size_t workspace_bytes(const Problem& problem, typename Direction::Algorithm algorithm) {
  is_deterministic<Direction>(algorithm);
  const size_t of_math = problem.math == CUDNN_DEFAULT_MATH ? 8192 : problem.math == CUDNN_TENSOR_OP_MATH ? 4096 : 0;
  return 512 * (1 + static_cast<size_t>(algorithm)) + static_cast<size_t>(Direction::out(problem.shape)) + of_math;
}

/// What an algorithm's answer says of its arithmetic, to be set before it is called: where the descriptor leaves it
/// open, not what the descriptor has.
inline Problem chosen_math(Problem problem) {
  if (problem.math == CUDNN_DEFAULT_MATH) problem.math = CUDNN_TENSOR_OP_MATH;
  return problem;
}

inline float scalar(const char* name, const void* value) {
  require(value);
  if (is_in(Memory::Device, value, 1)) refuse(CUDNN_STATUS_BAD_PARAM, format("%s is not in host memory", name));
  return *static_cast<const float*>(value);
}

inline float rounded(Rounding rounding, float value) {
  switch (rounding) {
    case Rounding::None: return value;
    case Rounding::Tf32: return to_tf32(value);
    case Rounding::Bf16: return cuda_sim::rounded(Element::Bf16, value);
  }
  return value;
}

inline Floats load(const void* values, int64_t count, const Problem& problem) {
  Floats loaded(count);
  for (int64_t i = 0; i < count; ++i) loaded[i] = rounded(problem.rounding, read(problem.element, values, i));
  return loaded;
}

/// A piece of device memory that a call names.
struct Range {
  const char* name;
  const void* data;
  size_t bytes;

  bool overlaps(const Range& other) const {
    const auto *a = static_cast<const char*>(data), *b = static_cast<const char*>(other.data);
    return a < b + other.bytes && b < a + bytes;
  }
};

inline void require_apart(std::initializer_list<Range> ranges, const Range& written) {
  for (const Range& range : ranges)
    if (range.overlaps(written)) refuse(CUDNN_STATUS_BAD_PARAM, format("%s and %s overlap", range.name, written.name));
}

/// The device memory of a call, and how its result is made.
struct Pass {
  const void *first, *second;
  void* out;
  Element out_element;
  float scale, keep;
  bool deterministic;
  void* workspace;
  size_t workspace_size, workspace_used;
  std::chrono::milliseconds delay{0};
};

/// Checks where operands lie, and queues the work.
template <class Direction>
void queue(cudaStream_t stream, const Problem& problem, const Pass& pass) {
  const Convolution& shape = problem.shape;
  const Range ranges[] = {{"the first operand", pass.first, Direction::first(shape) * size_of(problem.element)},
                          {"the second operand", pass.second, Direction::second(shape) * size_of(problem.element)},
                          {"the result", pass.out, Direction::out(shape) * size_of(pass.out_element)},
                          {"the workspace", pass.workspace, pass.workspace_size}};
  for (const Range& range : ranges) require_device(CUDNN_STATUS_BAD_PARAM, range.name, range.data, range.bytes);
  require_apart({ranges[0], ranges[1]}, ranges[2]);
  require_apart({ranges[0], ranges[1], ranges[2]}, ranges[3]);

  enqueue(stream, {TaskKind::Library, "", 0, false, [=] {
                     std::this_thread::sleep_for(pass.delay);
                     // It is the library's: what others kept there is lost.
                     std::memset(pass.workspace, 0xFF, pass.workspace_used);
                     const Doubles result =
                         Direction::compute(problem.shape, load(pass.first, Direction::first(problem.shape), problem),
                                            load(pass.second, Direction::second(problem.shape), problem));
                     // An algorithm that adds in no fixed order rounds differently from call to call.
                     static size_t calls = 0;
                     ++calls;
                     for (size_t i = 0; i < result.size(); ++i) {
                       const double wobble = pass.deterministic || (i + calls) % 3 != 0 ? 1 : 1 + 0x1p-23;
                       const auto place = static_cast<int64_t>(i);
                       // NaN is not kept by 0.
                       const double old = pass.keep == 0 ? 0 : pass.keep * read(pass.out_element, pass.out, place);
                       write(pass.out_element, pass.out, place, pass.scale * result[i] * wobble + old);
                     }
                   }});
}

/// Checks a call, and queues its work.
template <class Direction>
void convolve(cudnnHandle_t handle, const Problem& problem, const void* alpha, const void* first, const void* second,
              typename Direction::Algorithm algorithm, void* workspace, size_t workspace_size, const void* beta,
              void* out) {
  const size_t needed = workspace_bytes<Direction>(problem, algorithm);
  if (workspace_size < needed)
    refuse(CUDNN_STATUS_BAD_PARAM, format("a workspace of %zu bytes, where %zu are needed", workspace_size, needed));
  queue<Direction>(handle->stream, problem,
                   {first, second, out, problem.element, scalar("alpha", alpha), scalar("beta", beta),
                    is_deterministic<Direction>(algorithm), workspace, workspace_size, needed});
}

/// The algorithms in cuDNN's order of preference, the fastest first.
template <class Direction>
void list(const Problem& described, int requested, int* returned, typename Direction::Performance* results) {
  const Problem problem = chosen_math(described);
  require(returned);
  require(results);
  if (requested < 1) refuse(CUDNN_STATUS_BAD_PARAM, "no algorithm is requested");
  *returned = 0;
  for (const auto& candidate : Direction::kCandidates) {
    if (*returned == requested) break;
    results[(*returned)++] = {candidate.algorithm,
                              CUDNN_STATUS_SUCCESS,
                              -1,
                              workspace_bytes<Direction>(problem, candidate.algorithm),
                              candidate.deterministic ? CUDNN_DETERMINISTIC : CUDNN_NON_DETERMINISTIC,
                              problem.math,
                              {}};
  }
}

/// Tries the algorithms on the caller's operands, as cuDNN does: it waits, and what was in `out` is lost.
template <class Direction>
void find(cudnnHandle_t handle, const Problem& problem, const void* first, const void* second, void* out, int requested,
          int* returned, typename Direction::Performance* results, void* workspace, size_t workspace_size) {
  refuse_while_capturing(true);
  list<Direction>(problem, requested, returned, results);
  const float one = 1, zero = 0;
  for (int i = 0; i < *returned; ++i) {
    if (results[i].memory > workspace_size) results[i].status = CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;
    else
      convolve<Direction>(handle, chosen_math(problem), &one, first, second, results[i].algo, workspace, workspace_size,
                          &zero, out);
    results[i].time = static_cast<float>(i + 1);
  }
  std::stable_partition(results, results + *returned,
                        [](const auto& result) { return result.status == CUDNN_STATUS_SUCCESS; });
  ++counters().synchronizations;
  finish(stream_of(handle->stream));
  const size_t bytes = Direction::out(problem.shape) * size_of(problem.element);
  if (results[0].status == CUDNN_STATUS_SUCCESS) std::memset(out, 0xFF, bytes);
}

}  // namespace margincore::cuda_sim::cudnn
