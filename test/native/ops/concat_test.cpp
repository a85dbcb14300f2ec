#include <doctest/doctest.h>

#include "support/backends.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/random.h"

namespace margincore::test {

namespace {

struct Parts {
  int64_t batch, height, width;
  std::vector<int64_t> channels;  // of the parts, which make up the whole
};

const Parts kCases[] = {
    {1, 1, 1, {1}},
    {1, 1, 1, {1, 3}},
    {2, 5, 7, {3, 16, 1}},
    {1, 3, 3, {17, 33}},
    {127, 2, 2, {16, 32, 64}},
    {2, 4, 4, {8, 24, 4}},  // 16 bytes of fp32 at once, not of bf16
    {1, 9, 1, {2, 2, 4}},
    {3, 2, 2, {1, 8, 7}},  // pixels begin at multiples of 16 bytes, not the parts
    {20, 14, 14, {64, 32, 32}},
    {1, 1, 3, {2048, 12}},
};

}  // namespace

TEST_CASE("concat_write puts parts side by side, concat_read gives them back; exact") {
  for (Backend* backend : backends()) {
    for (const DType dtype : activation_types(*backend)) {
      for (const Parts& parts : kCases) {
        const int64_t pixels = parts.batch * parts.height * parts.width;
        int64_t channels = 0;
        for (const int64_t count : parts.channels) channels += count;
        CAPTURE(std::string(backend->info().device));
        CAPTURE(size_of(dtype));
        CAPTURE(channels);
        CAPTURE(pixels);

        Device device(*backend);
        Floats expected = as_stored(Random(9).normals(pixels * channels), dtype);  // stays where no part is written
        const Tensor whole = device.inout(expected, {parts.batch, parts.height, parts.width, channels}, dtype);
        int64_t first = 0;
        for (const int64_t count : parts.channels) {
          const Shape shape{parts.batch, parts.height, parts.width, count};
          const Floats part = as_stored(Random(static_cast<uint64_t>(first + 1)).normals(shape.count()), dtype);
          device.call(backend->concat_write(whole, device.input(part, shape, dtype), first));
          for (int64_t i = 0; i < shape.count(); ++i) expected[i / count * channels + first + i % count] = part[i];
          expect_same(device.read(whole), expected);

          const Tensor back = device.output(shape, dtype);
          device.call(backend->concat_read(back, whole, first));
          expect_same(device.read(back), part);
          first += count;
        }
      }
    }
  }
}

}  // namespace margincore::test
