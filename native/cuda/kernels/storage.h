// Activations in memory, float or BFloat16; arithmetic is float. 16 bytes are loaded and stored at a time: arenas align
// every tensor to 64 bytes.
#pragma once

#include "backend/backend.h"
#include "base/bfloat16.h"
#include "cuda/device.h"

namespace margincore::cuda {

MARGINCORE_DEVICE float widen(float value) { return value; }
MARGINCORE_DEVICE float widen(BFloat16 value) { return to_float(value); }

template <class T>
MARGINCORE_DEVICE T narrow(float value);
template <>
MARGINCORE_DEVICE float narrow<float>(float value) {
  return value;
}
template <>
MARGINCORE_DEVICE BFloat16 narrow<BFloat16>(float value) {
  return device::to_bfloat16(value);
}

/// Neighbouring elements that are loaded and stored at once.
template <class T, int count = 16 / sizeof(T)>
struct alignas(count * sizeof(T)) Pack {
  using Element = T;
  static constexpr int kCount = count;
  T value[count];
};

/// Pack number `index` of an array.
template <class P>
MARGINCORE_DEVICE P& pack(typename P::Element* data, int64_t index) {
  return reinterpret_cast<P*>(data)[index];
}
template <class P>
MARGINCORE_DEVICE const P& pack(const typename P::Element* data, int64_t index) {
  return reinterpret_cast<const P*>(data)[index];
}

/// run(T{}) with the type of a tensor's elements.
template <class Run>
void with_element(DType dtype, const Run& run) {
  if (dtype == DType::BF16) run(BFloat16{});
  else run(float{});
}

/// run(Pack{}) with 16 bytes of elements, or one where `columns`, the length of rows, is no multiple of that.
template <class Run>
void with_pack(DType dtype, int64_t columns, const Run& run) {
  with_element(dtype, [&](auto element) {
    using T = decltype(element);
    if (columns % Pack<T>::kCount == 0) run(Pack<T>{});
    else run(Pack<T, 1>{});
  });
}

template <class T>
T* elements(const Tensor& tensor) {
  return static_cast<T*>(tensor.data);
}

}  // namespace margincore::cuda
