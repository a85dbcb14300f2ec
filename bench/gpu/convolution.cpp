#include "device_memory.h"
#include "kinds.h"
#include "repeat.h"
#include "specs.h"

namespace margincore::jobs {

Answer convolution(const Job& job) {
  const BackendOptions options = options_of(job);
  const DType type = options.precision == Precision::Bf16 ? DType::BF16 : DType::F32;
  const BackendPtr owner = open_backend(backend_of(job), options);
  Backend& backend = *owner;
  const int64_t n = job.integer("batch"), size = job.integer("size"), c = job.integer("channels");
  const int64_t k = job.integer("outChannels"), kernel = job.integer("kernel");
  Conv2d conv;
  conv.stride = static_cast<int32_t>(job.integer("stride", 1));
  conv.padding = static_cast<int32_t>(job.integer("padding", 0));
  const int64_t out = (size + 2 * conv.padding - kernel) / conv.stride + 1;
  DeviceMemory memory(backend);
  const Tensor x = memory.activations({n, size, size, c}, type), y = memory.activations({n, out, out, k}, type);
  const Tensor w = memory.activations({k, kernel, kernel, c}, type, 0.05f);
  const Tensor dx = memory.zeros(x.shape, type);
  // As a step has it.
  const Tensor dw = memory.zeros(w.shape, backend.info().bf16_gradients ? type : DType::F32);

  const std::map<std::string, Operation> passes = {
      {"forward", [&] { return backend.conv2d_forward(y, x, w, {}, conv); }},
      {"backward_data", [&] { return backend.conv2d_backward(dx, {}, {}, y, {}, w, conv, 0); }},
      {"backward_filter", [&] { return backend.conv2d_backward({}, dw, {}, y, x, {}, conv, 0); }},
      {"backward", [&] { return backend.conv2d_backward(dx, dw, {}, y, x, w, conv, 0); }},
  };
  const auto pass = passes.find(job.text("pass"));
  if (pass == passes.end()) throw Error(ErrorCode::InvalidOption, "job: pass '" + job.text("pass") + "' is unknown");
  const Timing timing = time_operation(backend, pass->second, job.number("target", kTargetSeconds));
  Answer answer;
  answer.add("seconds", timing.seconds).add("repetitions", timing.repetitions);
  const double products = pass->first == "backward" ? 2 : 1;
  answer.add("flops",
             products * 2.0 * static_cast<double>(n * out * out * k) * static_cast<double>(kernel * kernel * c));
  return answer;
}

}  // namespace margincore::jobs
