// Once it is warm, a training step takes nothing from the heap. What is needed was taken by the first.
#include "cpu/allocations.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstdlib>
#include <new>
#include <string>

#include "cpu/cpu_backend.h"
#include "cpu/onednn.h"
#include "support/backends.h"
#include "support/training_run.h"

namespace margincore::test {

namespace {

struct Case {
  std::string name;
  NetworkSpec network;
  int64_t batch;
  int64_t primitives;  // of oneDNN in a step: convolutions and matmuls; reorderings of weights come on top
  bool streamed = false;
};

const Case kCases[] = {
    {"the seed CNN", seed_cnn(128), 20, 5 + 6},
    {"the seed CNN, images streamed", seed_cnn(128), 20, 5 + 6, true},
    {"the L-Softmax net on 16x16", l_softmax_net({16, 16, 3}), 4, 38 + 6},
    {"ResNet-18 on 16x16", resnet18({16, 16, 3}), 4, 59 + 3},
};

BackendOptions two_threads() {
  BackendOptions options{};
  options.threads = 2;
  return options;
}

/// Keeps the compiler from leaving out what nobody reads.
void* used(void* memory) {
  asm volatile("" : : "r"(memory) : "memory");
  return memory;
}

}  // namespace

TEST_CASE("allocations are counted, and by whom") {
  void* memory[6] = {};
  const Allocations found = allocations_of([&] {
    memory[0] = used(std::malloc(100));
    memory[1] = used(std::calloc(10, 10));
    memory[2] = used(std::realloc(nullptr, 100));
    memory[3] = used(std::aligned_alloc(64, 128));
    CHECK(posix_memalign(&memory[4], 64, 128) == 0);
    memory[5] = used(::operator new(100));
  });
  for (int i = 0; i < 5; ++i) std::free(memory[i]);
  ::operator delete(memory[5]);
  CHECK(found.ours == 6);
  CHECK(found.places != "");
  CHECK(found.onednn + found.others + found.mappings == 0);

  const Allocations by_onednn = allocations_of([] { dnnl::stream(dnnl::engine(dnnl::engine::kind::cpu, 0)); });
  CHECK(by_onednn.onednn > 0);
  CHECK(by_onednn.onednn_bytes > 0);

  void* pages = nullptr;
  const auto map = [&] { pages = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); };
  CHECK(allocations_of(map).mappings == 1);
  munmap(pages, 4096);
}

TEST_CASE("a training step takes nothing from the heap, but for oneDNN's lists of operands") {
  for (const DType type : activation_types(CpuBackend({}))) {
    for (const Case& c : kCases) {
      CAPTURE(c.name);
      CAPTURE(size_of(type));
      NetworkSpec network = c.network;
      network.activations = type;
      CpuBackend backend(two_threads());
      TrainingRun run(backend, c.streamed, network, c.batch);
      run.steps(4);  // the first makes the plans, the second records; and so many that no buffer grows later
      // A request allocates its reports, however many they are.
      const StepsRequest one = run.request(1), four = run.request(4);
      const Allocations in_one = allocations_of([&] { run.run(one); });
      const Allocations in_four = allocations_of([&] { run.run(four); });
      CHECK(in_one.ours == 1);
      CHECK_MESSAGE(in_four.ours == 1, "at", in_four.places);
      CHECK(in_four.others == 0);
      CHECK(in_four.mappings == 0);
      // oneDNN copies the operands of a primitive to a list of its own. Each call's are the same, and small; but where it
      // multiplies matrices without AVX-512, it takes what it packs them into anew each time.
      CHECK(in_four.onednn == 4 * in_one.onednn);
      CHECK(in_four.onednn_bytes == 4 * in_one.onednn_bytes);
      CHECK(in_one.onednn <= 16 * c.primitives);
      if (onednn::uses(dnnl::cpu_isa::avx512_core)) CHECK(in_one.onednn_bytes <= 1024 * c.primitives);
    }
  }
}

}  // namespace margincore::test
