// Windows of a pooling along one axis, rows or columns.
#pragma once

#include "base/host_device.h"

namespace margincore {

template <class Int>
struct Span {
  Int begin, end;
  MARGINCORE_HOST_DEVICE Int count() const { return end - begin; }
};

template <class Int>
struct Windows {
  Int size, outputs;  // elements of the image along the axis, and windows
  Int kernel, stride, padding;

  /// Elements of window `out` that lie inside the image.
  MARGINCORE_HOST_DEVICE Span<Int> elements_of(Int out) const {
    const Int begin = out * stride - padding, end = begin + kernel;
    return {begin > 0 ? begin : 0, end < size ? end : size};
  }

  /// Windows that an element of the image lies in.
  MARGINCORE_HOST_DEVICE Span<Int> windows_over(Int element) const {
    const Int last = element + padding, before = last - kernel;  // where the last to hold it and to miss it may begin
    const Int end = last / stride + 1;
    return {before < 0 ? 0 : before / stride + 1, end < outputs ? end : outputs};
  }
};

}  // namespace margincore
