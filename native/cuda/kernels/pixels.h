// How a grid shares the pixels of images for work on each by itself: a thread takes a pack of a pixel's channels, so
// that neighbours move neighbouring addresses, and a block as many whole lines as it has threads for.
#pragma once

#include <algorithm>

#include "cuda/kernels/divider.h"
#include "cuda/kernels/launch.h"

namespace margincore::cuda {

/// A pack of channels.
struct Pixel {
  int64_t image;
  int row, column, group;
};

class Pixels {
 public:
  /// groups: packs of a pixel.
  Pixels(int64_t images, int64_t height, int64_t width, int64_t groups)
      : lines_(static_cast<int>(images * height)),
        line_(static_cast<int>(width * groups)),
        lines_at_once_(std::max(kBlock / line_, 1)),
        by_line_(line_),
        by_height_(height),
        by_groups_(groups) {}

  int64_t blocks() const { return blocks_for(lines_, lines_at_once_); }
  int64_t threads() const { return line_threads(int64_t{lines_at_once_} * line_); }

  /// body(pixel) for those of this thread.
  template <class Body>
  MARGINCORE_DEVICE void each(const Body& body) const {
    const int first_line = static_cast<int>(device::block()) * lines_at_once_;
    for (int i = device::thread(); i < lines_at_once_ * line_; i += device::threads()) {
      const int down = by_line_.quotient(i), place = by_line_.remainder(i, down), line = first_line + down;
      if (line >= lines_) return;
      const int image = by_height_.quotient(line), column = by_groups_.quotient(place);
      body(Pixel{image, by_height_.remainder(line, image), column, by_groups_.remainder(place, column)});
    }
  }

 private:
  int lines_, line_;  // packs of a line
  int lines_at_once_;
  Divider by_line_, by_height_, by_groups_;
};

}  // namespace margincore::cuda
