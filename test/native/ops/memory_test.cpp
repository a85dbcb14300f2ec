#include <doctest/doctest.h>

#include "reference/elementwise.h"
#include "support/backends.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/random.h"

namespace margincore::test {

TEST_CASE("memory is aligned to 64 bytes, and bytes survive the way there and back") {
  for (Backend* backend : backends()) {
    for (const size_t bytes : {1u, 63u, 64u, 1009u, 1u << 20}) {
      CAPTURE(bytes);
      const Buffer first(*backend, bytes), second(*backend, bytes);
      CHECK(reinterpret_cast<uintptr_t>(first.data()) % 64 == 0);
      const Ints drawn = Random(bytes).integers(static_cast<int64_t>(bytes), 0, 255);
      Bytes sent(drawn.begin(), drawn.end()), received(bytes, 0);
      const Bytes kept = sent;
      check(backend->upload(first.data(), sent.data(), bytes));
      sent.assign(bytes, 0);  // the host's memory may be reused on return
      check(backend->copy(second.data(), first.data(), bytes));
      check(backend->zero(first.data(), bytes));
      check(backend->download(received.data(), second.data(), bytes));
      expect_same(received, kept);
      check(backend->download(received.data(), first.data(), bytes));
      expect_same(received, Bytes(bytes, 0));
      CHECK(backend->synchronize().ok());
    }
  }
}

TEST_CASE("a recorded sequence runs again with what the step block says then") {
  struct Sequence {
    Backend& backend;
    Tensor hidden, y, x;
    Dropout dropout;
    const StepBlock* step;
  };
  const auto body = [](void* context) {
    const Sequence& s = *static_cast<Sequence*>(context);
    const Status status = s.backend.relu_forward(s.hidden, s.x);
    return status.ok() ? s.backend.dropout_forward(s.y, s.hidden, s.dropout, s.step) : status;
  };
  const int64_t count = 1009;
  for (Backend* backend : backends()) {
    const Floats x = Random(1).normals(count);
    Device device(*backend);
    StepBlock block{};
    const StepBlock* step = device.constant(block);
    Sequence sequence{*backend, device.output({count}), device.output({count}), device.input(x, {count}), {0.5f, 3},
                      step};
    device.call(body(&sequence));  // each operation must have run once

    Program* program = nullptr;
    device.call(backend->record(&program, body, &sequence));
    for (block.step = 1; block.step < 4; ++block.step) {
      device.set(step, block);
      device.call(backend->replay(program));
      expect_close(Op::Dropout, device.read(sequence.y),
                   reference::dropout(reference::relu_forward(to_doubles(x)), sequence.dropout, block));
    }
    backend->discard(program);
  }
}

}  // namespace margincore::test
