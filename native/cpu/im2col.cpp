#include "cpu/im2col.h"

#include <algorithm>
#include <cstring>

namespace margincore {

namespace {

/// Patches in memory at a time, where one image's are not more: enough rows for a matmul to be fast.
constexpr int64_t kMostPatchBytes = 8 << 20;

int64_t pixel_bytes(const Tensor& image) { return image.shape[3] * size_of(image.dtype); }

/// Images `first` … `first + count` of a batch.
Tensor some(const Tensor& batch, int64_t first, int64_t count) {
  Tensor part = batch;
  part.data = batch.u8() + first * batch.shape.row_count() * size_of(batch.dtype);
  part.shape.dims[0] = count;
  return part;
}

/// One row per pixel.
Tensor pixels(const Tensor& images) {
  const Shape& s = images.shape;
  return {images.data, images.dtype, {s[0] * s[1] * s[2], s[3]}};
}

bool is_pointwise(const Tensor& w) { return w.shape[1] * w.shape[2] == 1; }

/// One row per filter: (K, R·S·C).
Tensor filters(const Tensor& w) { return w.as_matrix(); }

/// A kernel of one element over all pixels: the images are their own patches.
bool are_pixels(const Im2colSizes& p) {
  return p.kernel_height * p.kernel_width == 1 && p.stride == 1 && p.top == 0 && p.left == 0 && p.rows == p.height &&
         p.columns == p.width;
}

/// Of a copy of the patches, where one is needed.
int64_t bytes_of(const Im2colSizes& p) {
  if (are_pixels(p)) return 0;
  return p.batch * p.rows * p.columns * p.kernel_height * p.kernel_width * p.pixel_bytes;
}

/// What the kernel sees of x, at each pixel of y.
Im2colSizes patches_seen(const Tensor& x, const Tensor& w, const Tensor& y, Conv2d conv) {
  const int64_t padding = -conv.padding;
  return {{x.shape[0], x.shape[1], x.shape[2], pixel_bytes(x), y.shape[1], y.shape[2], padding, padding, conv.stride},
          w.shape[1],
          w.shape[2]};
}

/// Parts of a batch whose patches are few enough; all but the last are alike.
struct Parts {
  int64_t batch, images;  // in all, and in a part

  Parts(int64_t batch, int64_t patch_bytes) : batch(batch) {
    const int64_t count = std::min(batch, (patch_bytes - 1) / kMostPatchBytes + 1);
    images = (batch - 1) / count + 1;
  }

  /// body(first image, their number)
  template <class Body>
  void for_each(const Body& body) const {
    for (int64_t first = 0; first < batch; first += images) body(first, std::min(images, batch - first));
  }
};

}  // namespace

/// Pixels begin, begin + stride, … of x along one axis. The same elements of the kernel, every stride-th, join each of
/// them to pixels of y: its last one joins the first of them to y's pixel `first`, the one before to the pixel after.
struct Im2colConvolutions::Phase {
  int64_t begin, stride, pixels, elements, last, first;

  Phase(int64_t begin, int64_t size, int64_t kernel, Conv2d conv) : begin(begin), stride(conv.stride) {
    const int64_t lowest = (begin + conv.padding) % stride;
    pixels = begin < size ? (size - 1 - begin) / stride + 1 : 0;
    elements = lowest < kernel ? (kernel - 1 - lowest) / stride + 1 : 0;
    last = lowest + (elements - 1) * stride;
    first = (begin + conv.padding - last) / stride;
  }
};

Tensor Im2colConvolutions::patches_of(const Tensor& images, const Im2colSizes& p, void* memory) const {
  if (are_pixels(p)) return pixels(images);
  loops_.im2col(static_cast<uint8_t*>(memory), images.u8(), p);
  return {memory, images.dtype, {p.batch * p.rows * p.columns, p.kernel_height * p.kernel_width * images.shape[3]}};
}

void Im2colConvolutions::forward(Tensor y, Tensor x, Tensor w, Tensor bias, Conv2d conv) {
  Parts(x.shape[0], bytes_of(patches_seen(x, w, y, conv))).for_each([&](int64_t first, int64_t count) {
    const Tensor images = some(x, first, count);
    const Im2colSizes sizes = patches_seen(images, w, y, conv);
    const Tensor patches = patches_of(images, sizes, scratch_.take(bytes_of(sizes)));
    matmul_.multiply(pixels(some(y, first, count)), {patches}, {filters(w), true}, bias);
  });
}

void Im2colConvolutions::backward_filter(Tensor dw, Tensor dbias, Tensor dy, Tensor x, Conv2d conv) {
  if (dbias) {
    loops_.on(dy, [&](const auto& loops) {
      loops.column_sums(dbias.f32(), loops.elements(dy), pixels(dy).shape[0], dy.shape[3]);
    });
  }
  Parts(x.shape[0], bytes_of(patches_seen(x, dw, dy, conv))).for_each([&](int64_t first, int64_t count) {
    const Tensor images = some(x, first, count), gradients = pixels(some(dy, first, count));
    const Im2colSizes sizes = patches_seen(images, dw, dy, conv);
    const Tensor patches = patches_of(images, sizes, scratch_.take(bytes_of(sizes)));
    if (first == 0) matmul_.multiply(filters(dw), {gradients, true}, {patches});
    else matmul_.multiply_add(filters(dw), {gradients, true}, {patches});
  });
}

void Im2colConvolutions::backward_data(Tensor dx, Tensor dy, Tensor w, Conv2d conv) {
  // Some pixels are joined to none of y then.
  if (conv.stride > std::min(w.shape[1], w.shape[2])) std::memset(dx.data, 0, static_cast<size_t>(dx.bytes()));
  for (int64_t top = 0; top < conv.stride; ++top)
    for (int64_t left = 0; left < conv.stride; ++left)
      backward_data(dx, dy, w, Phase(top, dx.shape[1], w.shape[1], conv), Phase(left, dx.shape[2], w.shape[2], conv));
}

void Im2colConvolutions::backward_data(Tensor dx, Tensor dy, Tensor w, const Phase& vertical, const Phase& horizontal) {
  const int64_t rows = vertical.pixels, columns = horizontal.pixels, stride = vertical.stride;
  if (rows * columns * vertical.elements * horizontal.elements == 0) return;
  const auto joined = [&](const Tensor& y) -> Im2colSizes {
    return {{y.shape[0], y.shape[1], y.shape[2], pixel_bytes(y), rows, columns, vertical.first, horizontal.first, 1},
            vertical.elements,
            horizontal.elements};
  };
  const Parts parts(dy.shape[0], bytes_of(joined(dy)));
  const size_t weight_bytes = whole_lines(vertical.elements * horizontal.elements * dy.shape[3] * pixel_bytes(dx));
  const size_t patch_bytes = whole_lines(bytes_of(joined(some(dy, 0, parts.images))));
  const size_t result_bytes = stride == 1 ? 0 : parts.images * rows * columns * pixel_bytes(dx);
  uint8_t* memory = static_cast<uint8_t*>(scratch_.take(weight_bytes + patch_bytes + result_bytes));
  const Tensor weights = joining_weights(w, vertical, horizontal, memory);
  parts.for_each([&](int64_t first, int64_t count) {
    const Tensor gradients = some(dy, first, count), out = some(dx, first, count);
    const Tensor patches = patches_of(gradients, joined(gradients), memory + weight_bytes);
    if (stride == 1) return matmul_.multiply(pixels(out), {patches}, {weights});
    const Tensor result = {memory + weight_bytes + patch_bytes, dx.dtype, {patches.shape[0], dx.shape[3]}};
    matmul_.multiply(result, {patches}, {weights});
    loops_.spread_pixels(
        out.u8(), result.u8(),
        {count, dx.shape[1], dx.shape[2], pixel_bytes(dx), rows, columns, vertical.begin, horizontal.begin, stride});
  });
}

Tensor Im2colConvolutions::joining_weights(const Tensor& w, const Phase& vertical, const Phase& horizontal,
                                           uint8_t* memory) const {
  const int64_t outputs = w.shape[0], channels = w.shape[3], run = channels * size_of(w.dtype);
  const int64_t elements = vertical.elements * horizontal.elements;
  if (is_pointwise(w)) return {w.data, w.dtype, {outputs, channels}};
  for (int64_t i = 0; i < elements; ++i) {
    const int64_t row = vertical.last - i / horizontal.elements * vertical.stride;
    const int64_t column = horizontal.last - i % horizontal.elements * horizontal.stride;
    loops_.copy_channels(memory + i * outputs * run, w.u8() + (row * w.shape[2] + column) * run, outputs, run,
                         w.shape.row_count() * size_of(w.dtype), run);
  }
  return {memory, w.dtype, {elements * outputs, channels}};
}

}  // namespace margincore
