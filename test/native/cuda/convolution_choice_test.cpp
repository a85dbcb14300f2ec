// Which of cuDNN's engines convolutions take, and what they remember of it.
#include <doctest/doctest.h>

#include <fstream>
#include <set>

#include "cuda/open_cuda.h"
#include "reference/convolution.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/environment.h"
#include "support/random.h"

namespace margincore::test {

namespace {

using cuda_sim::Statistics;
using reference::ConvolutionSizes;

const ConvolutionSizes kSizes{2, 7, 6, 8, 16, 3, 3, {1, 1}};

/// One convolution's operands on a backend, and its three passes.
struct Passes {
  explicit Passes(Backend& on, DType operands = DType::F32, DType gradient = DType::F32,
                  const ConvolutionSizes& of = kSizes)
      : backend(on), dtype(operands), sizes(of), device(on) {
    Random random(1);
    x = as_stored(random.normals(sizes.x().count()), dtype);
    w = as_stored(random.normals(sizes.w().count()), dtype);
    dy = as_stored(random.normals(sizes.y().count()), dtype);
    on_x = device.input(x, sizes.x(), dtype);
    on_w = device.input(w, sizes.w(), dtype);
    on_dy = device.input(dy, sizes.y(), dtype);
    y = device.output(sizes.y(), dtype);
    dx = device.output(sizes.x(), dtype);
    dw = device.output(sizes.w(), gradient);
  }

  Status forward() { return backend.conv2d_forward(y, on_x, on_w, {}, sizes.conv); }
  Status backward_data() { return backend.conv2d_backward(dx, {}, {}, on_dy, {}, on_w, sizes.conv, 0); }
  Status backward_filter() { return backend.conv2d_backward({}, dw, {}, on_dy, on_x, {}, sizes.conv, 0); }
  void run() {
    device.call(forward());
    device.call(backward_data());
    device.call(backward_filter());
  }
  Floats results() {
    Floats all;
    for (const Tensor& result : {y, dx, dw})
      for (const float value : device.read(result)) all.push_back(value);
    return all;
  }
  void expect_right() {
    const Doubles at_x = to_doubles(x), at_w = to_doubles(w), at_dy = to_doubles(dy);
    expect_close(Op::Conv2dForward, device.read(y), reference::conv2d_forward(sizes, at_x, at_w, {}), dtype);
    expect_close(Op::Conv2dBackwardData, device.read(dx), reference::conv2d_backward_data(sizes, at_dy, at_w), dtype);
    expect_close(Op::Conv2dBackwardFilter, device.read(dw), reference::conv2d_backward_filter(sizes, at_dy, at_x),
                 dtype);
  }

  Backend& backend;
  DType dtype;
  ConvolutionSizes sizes;
  Device device;
  Floats x, w, dy;
  Tensor on_x, on_w, on_dy, y, dx, dw;
};

/// The engines that ran, of any pass.
std::set<std::string> engines(const Statistics& statistics) {
  std::set<std::string> numbers;
  for (const auto& [name, count] : statistics.engines) numbers.insert(name.substr(name.find(' ') + 1));
  return numbers;
}

template <class Body>
Statistics statistics_of(const Body& body) {
  cuda_sim::reset_statistics();
  body();
  return cuda_sim::statistics();
}

/// A search is what records events to time with.
bool searched(const Statistics& statistics) { return calls(statistics, "cudaEventElapsedTime") > 0; }

std::string text_of(const std::filesystem::path& file) {
  std::string text;
  std::getline(std::ifstream(file), text, '\0');
  return text;
}

/// A file of choices, each of them another.
std::string with_choices(const std::string& file, const std::string& choice) {
  std::string text;
  for (size_t at = 0; at < file.size();) {
    const size_t end = file.find('\n', at), tab = file.find('\t', at);
    text += tab < end ? file.substr(at, tab + 1 - at) + choice + "\n" : file.substr(at, end + 1 - at);
    at = end + 1;
  }
  return text;
}

int64_t launches(const Statistics& statistics, const std::string& kernel) {
  const auto found = statistics.launches.find(kernel);
  return found == statistics.launches.end() ? 0 : found->second;
}

/// The simulator's settings, for the time of one test.
struct Settings {
  cuda_sim::Settings before = cuda_sim::settings();
  ~Settings() { cuda_sim::settings() = before; }
};

}  // namespace

TEST_CASE("engines are taken that keep the promised precision and order of sums, and fit the workspace") {
  struct Case {
    bool deterministic;
    Precision precision;
    DType dtype;
    std::set<std::string> expected;
  };
  using Numbers = std::set<std::string>;
  // 0: tensor cores. 1: plain. 2: not deterministic. Never 4 and 5, of reduced precision, nor 6, of half a gigabyte.
  for (const Case& c :
       {Case{true, Precision::Fp32, DType::F32, Numbers{"1"}}, Case{true, Precision::Tf32, DType::F32, Numbers{"0"}},
        Case{true, Precision::Bf16, DType::F32, Numbers{"1"}}, Case{true, Precision::Bf16, DType::BF16, Numbers{"0"}},
        Case{false, Precision::Fp32, DType::F32, Numbers{"1", "2"}},
        Case{false, Precision::Tf32, DType::F32, Numbers{"0", "1", "2"}},
        Case{false, Precision::Bf16, DType::BF16, Numbers{"0", "1", "2"}}}) {
    CAPTURE(c.deterministic);
    CAPTURE(static_cast<int>(c.precision));
    const Opened backend = open_cuda(c.deterministic, c.precision);
    Passes passes(*backend, c.dtype);
    const Statistics found = statistics_of([&] { passes.run(); });
    CHECK(engines(found) == c.expected);
    CHECK(searched(found) == !c.deterministic);
    CHECK(calls(found, "cudnnConvolution") == 0);
    if (c.precision != Precision::Tf32) passes.expect_right();
  }
}

TEST_CASE("the fastest is taken, and a shape is searched once") {
  const Settings settings;
  for (const int64_t slow : {1, 2}) {
    cuda_sim::settings().slow_engine = slow;
    const Opened backend = open_cuda(false);
    Passes passes(*backend);
    passes.run();
    const Statistics again = statistics_of([&] { passes.run(); });
    CHECK(engines(again) == std::set<std::string>{std::to_string(3 - slow)});
    CHECK_FALSE(searched(again));
    CHECK(calls(again, "cudnnBackendExecute") == 3);
    passes.expect_right();
  }
}

TEST_CASE("deterministic convolutions give the same bits, call after call and start after start") {
  Floats first;
  for (int start = 0; start < 2; ++start) {
    const Opened backend = open_cuda(true);
    Passes passes(*backend);
    for (int call = 0; call < 2; ++call) {
      passes.run();
      if (first.empty()) first = passes.results();
      CHECK(first_difference(passes.results(), first) == "");
    }
  }
}

TEST_CASE("plans are made by an eager call; recorded, they are only executed") {
  for (const char* api : {"graph", "legacy"}) {
    const Variable asked("MARGINCORE_CUDNN_API", api);
    const Opened backend = open_cuda(false);
    Passes passes(*backend);
    const auto body = [](void* context) { return static_cast<Passes*>(context)->forward(); };
    Program* program = nullptr;
    const Status refused = backend->record(&program, body, &passes);
    CHECK(refused.code == ErrorCode::Internal);
    CHECK(std::string(refused.message).find("recording needs a plan that no eager step has made") != std::string::npos);

    passes.run();
    check(backend->record(&program, body, &passes));
    check(backend->zero(passes.y.data, passes.y.bytes()));
    const Statistics found = statistics_of([&] { passes.device.call(backend->replay(program)); });
    CHECK(calls(found, "cudnn") == 0);
    passes.expect_right();
    backend->discard(program);
  }
}

TEST_CASE("without a plan for a graph, or for operands that are not aligned, the older interface is called") {
  const Settings settings;
  const Opened backend = open_cuda(true);
  Passes passes(*backend);
  passes.y.data = static_cast<char*>(passes.device.output({kSizes.y().count() + 1}).data) + 4;
  const Statistics misaligned = statistics_of([&] { check(passes.forward()); });
  CHECK(calls(misaligned, "cudnnConvolutionForward") == 1);
  CHECK(calls(misaligned, "cudnnBackend") == 0);

  cuda_sim::settings().has_engines = false;
  for (const bool deterministic : {false, true}) {
    const Opened other = open_cuda(deterministic);
    Passes by_legacy(*other);
    const Statistics found = statistics_of([&] { by_legacy.run(); });
    CHECK(calls(found, "cudnnBackendExecute") == 0);
    CHECK(calls(found, "cudnnConvolution") == 3);
    by_legacy.expect_right();
  }
}

TEST_CASE("MARGINCORE_CUDNN_API asks for one interface, and says what it may be") {
  const Settings settings;
  Variable asked("MARGINCORE_CUDNN_API", "legacy");
  {
    const Opened backend = open_cuda(false);
    Passes passes(*backend);
    CHECK(calls(statistics_of([&] { passes.run(); }), "cudnnBackend") == 0);
    passes.expect_right();
  }
  asked.set("graph");
  cuda_sim::settings().has_engines = false;
  const Opened backend = open_cuda(false);
  Passes passes(*backend);
  const Status refused = passes.forward();
  CHECK(refused.code == ErrorCode::Unsupported);
  CHECK(std::string(refused.message).find("no plan for forward x (2, 7, 6, 8) fp32") != std::string::npos);
  asked.set("v7");
  Backend* none = nullptr;
  const BackendOptions options{};
  const Status unknown = margincore_plugin()->create(&none, &options);
  CHECK(unknown.code == ErrorCode::InvalidOption);
  CHECK(std::string(unknown.message).find("\"v7\": \"graph\" or \"legacy\" is expected") != std::string::npos);
}

TEST_CASE("the gradient of bf16 weights is fp32, at once where an engine gives that, or bf16") {
  const Settings settings;
  for (const char* api : {"graph", "legacy"}) {
    for (const int capability : {80, 90}) {
      for (const DType gradient : {DType::F32, DType::BF16}) {
        CAPTURE(api);
        CAPTURE(capability);
        CAPTURE(size_of(gradient));
        const Variable asked("MARGINCORE_CUDNN_API", api);
        cuda_sim::settings().capability = capability;
        for (const bool deterministic : {true, false}) {
          const Opened backend = open_cuda(deterministic, Precision::Bf16);
          Passes passes(*backend, DType::BF16, gradient);
          passes.run();
          passes.expect_right();
          const Statistics found = statistics_of([&] { passes.device.call(passes.backward_filter()); });
          const bool at_once = gradient == DType::BF16 || (api == std::string("graph") && capability == 90);
          if (deterministic) CHECK((launches(found, "widen_kernel") == 0) == at_once);
          passes.expect_right();
        }
      }
    }
  }
}

TEST_CASE("a second start has no search, with either interface") {
  for (const char* api : {"graph", "legacy"}) {
    CAPTURE(api);
    const ScratchFolder folder;
    const Variable asked("MARGINCORE_CUDNN_API", api);
    const Variable cache("MARGINCORE_CUDA_CACHE", folder.path().string());
    for (const Precision precision : {Precision::Fp32, Precision::Tf32, Precision::Bf16}) {
      for (int start = 0; start < 2; ++start) {
        const Opened backend = open_cuda(false, precision);
        Passes passes(*backend, precision == Precision::Bf16 ? DType::BF16 : DType::F32);
        const Statistics found = statistics_of([&] { passes.run(); });
        CHECK((searched(found) || calls(found, "cudnnFind") > 0) == (start == 0));
        if (start == 1) CHECK(calls(found, "cudnnBackendExecute") + calls(found, "cudnnConvolution") == 3);
        if (precision != Precision::Tf32) passes.expect_right();
      }
    }
    CHECK(folder.count() == 1);
  }
}

TEST_CASE("nothing is remembered of another card, where bits must not change, or of a search that lacked memory") {
  const Settings settings;
  const ScratchFolder folder;
  const Variable cache("MARGINCORE_CUDA_CACHE", folder.path().string());
  const auto searches = [](bool deterministic) {
    const Opened backend = open_cuda(deterministic);
    Passes passes(*backend);
    return searched(statistics_of([&] { passes.run(); }));
  };
  CHECK_FALSE(searches(true));
  CHECK(folder.count() == 0);
  {
    const Opened backend = open_cuda(false, Precision::Tf32);
    Passes passes(*backend);
    // Enough for engines 1 and 2, but not for that with tensor cores.
    cuda_sim::settings().memory = static_cast<size_t>(cuda_sim::statistics().live_bytes) + 6000;
    const Statistics found = statistics_of([&] { check(passes.forward()); });
    CHECK(searched(found));
    CHECK(engines(found) == std::set<std::string>{"1", "2"});
    CHECK(folder.count() == 0);
  }
  cuda_sim::settings().memory = settings.before.memory;
  CHECK(searches(false));
  CHECK_FALSE(searches(false));
  cuda_sim::settings().capability = 90;
  CHECK(searches(false));
  CHECK_FALSE(searches(true));
}

TEST_CASE("what a file claims is taken only if cuDNN can do it, and if it keeps the promises") {
  for (const char* api : {"graph", "legacy"}) {
    const ScratchFolder folder;
    const Variable asked("MARGINCORE_CUDNN_API", api);
    const Variable cache("MARGINCORE_CUDA_CACHE", folder.path().string());
    // One pass is enough, and a search takes a while.
    const auto run = [] {
      const Opened backend = open_cuda(false);
      Passes passes(*backend);
      const Statistics found = statistics_of([&] { passes.device.call(passes.forward()); });
      expect_close(Op::Conv2dForward, passes.device.read(passes.y),
                   reference::conv2d_forward(kSizes, to_doubles(passes.x), to_doubles(passes.w), {}));
      return found;
    };
    run();
    REQUIRE(folder.count() == 1);
    const std::filesystem::path file = *std::filesystem::directory_iterator(folder.path());
    const std::string right = text_of(file);
    // Another engine's or algorithm's number, an unknown knob, no number, and TF32 (engine 0; arithmetic 0 and 1).
    for (const std::string claim : {"3", "6", "99", "-1", "1 2=0", "0 2=0", "0 2=7", "1 x", "x", "", "converted 1",
                                    "converted", "padded 1", "0 0", "1 1", "77 3", "1 -5"}) {
      CAPTURE(api);
      CAPTURE(claim);
      std::ofstream(file) << with_choices(right, claim);
      const Statistics found = run();
      CHECK((searched(found) || calls(found, "cudnnFind") == 1));
    }
  }
}

TEST_CASE("images of few channels are padded to 16 bytes where that is the fastest, and the result is the same") {
  for (const int64_t channels : {1, 3, 7}) {
    for (const Precision precision : {Precision::Fp32, Precision::Bf16}) {
      CAPTURE(channels);
      CAPTURE(static_cast<int>(precision));
      const DType dtype = precision == Precision::Bf16 ? DType::BF16 : DType::F32;
      const bool can_pad = channels < 16 / size_of(dtype);
      const ConvolutionSizes sizes{2, 9, 8, channels, 16, 3, 3, {2, 1}};
      const ScratchFolder folder;
      const Variable cache("MARGINCORE_CUDA_CACHE", folder.path().string());
      const auto both = [](Passes& passes) {
        passes.device.call(passes.forward());
        passes.device.call(passes.backward_filter());
      };
      {
        const Opened backend = open_cuda(false, precision);
        Passes passes(*backend, dtype, dtype, sizes);
        CHECK((launches(statistics_of([&] { both(passes); }), "pad_channels_kernel<T>") > 0) == can_pad);
        CHECK(launches(statistics_of([&] { passes.device.call(passes.backward_data()); }), "pad_channels_kernel<T>") ==
              0);
        passes.expect_right();
      }
      if (!can_pad) continue;
      const std::filesystem::path file = *std::filesystem::directory_iterator(folder.path());
      const std::string padded =
          with_choices(text_of(file), precision == Precision::Bf16 ? "padded 0 2=0" : "padded 1");
      std::ofstream(file) << padded;
      const Opened backend = open_cuda(false, precision);
      Passes passes(*backend, dtype, dtype, sizes);
      const Statistics found = statistics_of([&] { both(passes); });
      CHECK_FALSE(searched(found));
      CHECK(launches(found, "pad_channels_kernel<T>") == 3);  // images twice, and weights
      CHECK(calls(found, "cudnnBackendExecute") == 2);
      passes.device.call(passes.backward_data());
      passes.expect_right();
    }
  }
  // What timing would decide must not decide about bits.
  const Opened backend = open_cuda(true);
  Passes passes(*backend, DType::F32, DType::F32, {2, 9, 8, 3, 16, 3, 3, {2, 1}});
  CHECK(launches(statistics_of([&] { passes.run(); }), "pad_channels_kernel<T>") == 0);
  passes.expect_right();
}

}  // namespace margincore::test
