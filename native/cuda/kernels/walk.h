// How the threads of a group share a row. A thread takes several elements at once, so that their loads are all under
// way before the first is used: neighbours, in loads of 16 bytes, where rows begin at multiples of that; else one from
// each of several stretches that the group reads coalesced. A body is written once, for any of them:
//
//   walk<1>(group, 0, columns, aligned, [&](const auto at) {
//     float x[at.kWidth];
//     at.load(x, row);
//     …
//     at.store(row, x);
//   });
//
// What does not begin where the row does (walk_row: an operand of the columns, where rows begin anywhere) is read with
// at.load_beside.
//
// A thread meets the same elements in every walk of the same bounds: what it wrote it may read again without a barrier.
#pragma once

#include "cuda/device.h"
#include "cuda/kernels/storage.h"

namespace margincore::cuda {

/// Four neighbours from `first` on, and as many again every `stride` elements.
template <int kFours>
struct Fours {
  static constexpr int kWidth = 4 * kFours;
  int64_t first;
  int stride;

  MARGINCORE_DEVICE int offset(int k) const { return k / 4 * stride + k % 4; }  // from `first`
  MARGINCORE_DEVICE void load(float (&values)[kWidth], const float* from) const {
    MARGINCORE_UNROLL
    for (int k = 0; k < kWidth; k += 4) {
      const device::Float4 four = *reinterpret_cast<const device::Float4*>(from + first + offset(k));
      values[k] = four.x;
      values[k + 1] = four.y;
      values[k + 2] = four.z;
      values[k + 3] = four.w;
    }
  }
  MARGINCORE_DEVICE void load_beside(float (&values)[kWidth], const float* from) const { load(values, from); }
  MARGINCORE_DEVICE void load(float (&values)[kWidth], const BFloat16* from) const {
    MARGINCORE_UNROLL
    for (int k = 0; k < kWidth; k += 4) {
      const auto four = pack<Pack<BFloat16, 4>>(from + first + offset(k), 0);
      MARGINCORE_UNROLL
      for (int j = 0; j < 4; ++j) values[k + j] = widen(four.value[j]);
    }
  }
  MARGINCORE_DEVICE void store(float* to, const float (&values)[kWidth]) const {
    MARGINCORE_UNROLL
    for (int k = 0; k < kWidth; k += 4)
      *reinterpret_cast<device::Float4*>(to + first + offset(k)) = {values[k], values[k + 1], values[k + 2],
                                                                    values[k + 3]};
  }
};

/// Fours of a row that begins anywhere.
template <int kFours>
struct ShiftedFours : Fours<kFours> {
  using Fours<kFours>::kWidth;

  MARGINCORE_DEVICE void load_beside(float (&values)[kWidth], const float* from) const {
    MARGINCORE_UNROLL
    for (int k = 0; k < kWidth; ++k) values[k] = from[this->first + this->offset(k)];
  }
};

/// kCount elements, one every `stride`.
template <int kCount>
struct Singles {
  static constexpr int kWidth = kCount;
  int64_t first;
  int stride;

  MARGINCORE_DEVICE int offset(int k) const { return k * stride; }
  template <class T>
  MARGINCORE_DEVICE void load(float (&values)[kWidth], const T* from) const {
    MARGINCORE_UNROLL
    for (int k = 0; k < kWidth; ++k) values[k] = widen(from[first + offset(k)]);
  }
  MARGINCORE_DEVICE void load_beside(float (&values)[kWidth], const float* from) const { load(values, from); }
  MARGINCORE_DEVICE void store(float* to, const float (&values)[kWidth]) const {
    MARGINCORE_UNROLL
    for (int k = 0; k < kWidth; ++k) to[first + offset(k)] = values[k];
  }
};

/// Whether `element`, counted from at.first, may be one of them: no other one is worth comparing with each.
template <class At>
MARGINCORE_DEVICE bool may_contain(const At& at, int element) {
  return element >= 0 && element <= at.offset(At::kWidth - 1);
}

/// As at.load_beside, or `otherwise` where the operand is absent.
template <class At>
MARGINCORE_DEVICE void load_or(const At& at, float (&values)[At::kWidth], const float* from, float otherwise) {
  if (from != nullptr) return at.load_beside(values, from);
  MARGINCORE_UNROLL
  for (int k = 0; k < At::kWidth; ++k) values[k] = otherwise;
}

/// The same, of what begins where the row does.
template <class At>
MARGINCORE_DEVICE void load_alike_or(const At& at, float (&values)[At::kWidth], const float* from, float otherwise) {
  if (from != nullptr) return at.load(values, from);
  MARGINCORE_UNROLL
  for (int k = 0; k < At::kWidth; ++k) values[k] = otherwise;
}

/// body(at) for elements [begin, end), 4*kFours at once as long as there are so many. `aligned`: element `begin` of all
/// operands has an address that is a multiple of 16.
template <int kFours, class Group, class Body>
MARGINCORE_DEVICE void walk(const Group& group, int64_t begin, int64_t end, bool aligned, const Body& body) {
  const int stride = group.stride();
  if (aligned) {
    const int64_t step = 4 * stride;
    int64_t k = begin + 4 * group.first();
    for (; k + (kFours - 1) * step + 4 <= end; k += kFours * step) body(Fours<kFours>{k, 4 * stride});
    if constexpr (kFours > 1)
      for (; k + 4 <= end; k += step) body(Fours<1>{k, 0});
    k = end - (end - begin) % 4 + group.first();
    if (k < end) body(Singles<1>{k, 0});
  } else {
    constexpr int kCount = 4 * kFours;
    int64_t k = begin + group.first();
    for (; k + (kCount - 1) * static_cast<int64_t>(stride) < end; k += kCount * static_cast<int64_t>(stride))
      body(Singles<kCount>{k, stride});
    for (; k < end; k += stride) body(Singles<1>{k, 0});
  }
}

/// Elements of a row before the first whose address is a multiple of 16.
MARGINCORE_DEVICE int before_aligned(const float* row) {
  return static_cast<int>(-(reinterpret_cast<uintptr_t>(row) / sizeof(float)) % 4);
}

/// Columns [begin, end) of a row that begins anywhere. All parts but the first begin at a multiple of 16 bytes; of the
/// first one's columns `leading` stand before such a multiple, or all, where not all operands that are rows begin
/// `alike`.
struct RowPart {
  int64_t begin, end;
  int leading;

  MARGINCORE_DEVICE RowPart(const float* row, int64_t columns, bool alike) : RowPart(row, columns, alike, 0, columns) {}
  MARGINCORE_DEVICE RowPart(const float* row, int64_t columns, bool alike, int64_t part, int64_t part_size) {
    const int before = before_aligned(row);
    begin = part == 0 ? 0 : part * part_size + before;
    end = (part + 1) * part_size + before;
    if (begin > columns) begin = columns;
    if (end > columns) end = columns;
    leading = !alike ? static_cast<int>(end - begin) : part == 0 ? before : 0;
  }
};

/// body(at) for the columns of a part. Its leading ones and those left at its end are taken one by one; so are all of
/// a part that is no longer than the group.
template <int kFours, class Group, class Body>
MARGINCORE_DEVICE void walk_row(const Group& group, const RowPart& part, const Body& body) {
  const int stride = group.stride(), count = static_cast<int>(part.end - part.begin);
  const int before = count <= stride || part.leading > count ? count : part.leading, fours = (count - before) / 4;
  const int64_t step = 4 * stride, last = part.begin + before + 4 * static_cast<int64_t>(fours);
  int64_t k = part.begin + before + 4 * group.first();
  for (; k + (kFours - 1) * step < last; k += kFours * step) body(ShiftedFours<kFours>{k, 4 * stride});
  if constexpr (kFours > 1)
    for (; k < last; k += step) body(ShiftedFours<1>{k, 0});
  // By the last threads, which have had no more fours than the others.
  for (int i = stride - 1 - group.first(); i < count - 4 * fours; i += stride)
    body(Singles<1>{part.begin + (i < before ? i : i + 4 * fours), 0});
}

/// The same, where there are operands of the columns, too. `aligned`: as for walk.
template <class Group, class Body>
MARGINCORE_DEVICE void walk_row(const Group& group, const RowPart& part, bool aligned, const Body& body) {
  if (aligned) walk<1>(group, part.begin, part.end, true, body);
  else walk_row<1>(group, part, body);
}

/// Whether rows of so many elements all begin at multiples of 16 bytes, in every one of these operands.
template <class... Pointers>
bool all_aligned(int64_t columns, const Pointers*... operands) {
  return columns % 4 == 0 && ((reinterpret_cast<uintptr_t>(operands) % sizeof(device::Float4) == 0) && ...);
}

/// Whether these operands begin at multiples of 16 bytes, where they are there: then rows of a same length begin alike.
template <class... Pointers>
bool alike(const Pointers*... operands) {
  return all_aligned(4, operands...);
}

}  // namespace margincore::cuda
