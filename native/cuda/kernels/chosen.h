// Which samples of a dataset are a batch's.
#pragma once

#include "backend/backend.h"
#include "cuda/device.h"

namespace margincore::cuda {

/// Image i is sample order[i] from the step's position on, or i itself.
struct Chosen {
  const int32_t *order, *numbers, *labels;
  const StepBlock* step;

  Chosen(const GatherImages& gather, const StepBlock* step)
      : order(gather.order.i32()), numbers(gather.numbers.i32()), labels(gather.labels.i32()), step(step) {}

  MARGINCORE_DEVICE int64_t position() const { return order != nullptr ? step->order_position : 0; }
  /// i from that position on; so also of `number`, which is what the dataset calls the sample.
  MARGINCORE_DEVICE int64_t sample(int64_t i) const { return order != nullptr ? order[i] : i; }
  MARGINCORE_DEVICE int64_t number(int64_t i) const { return numbers != nullptr ? numbers[i] : sample(i); }
};

}  // namespace margincore::cuda
