// A step that does not compare all classes: base/class_draw.h says which it draws. What belongs to these is gathered from
// the rows of all before the step and goes back after it: what was not drawn keeps its weights and moments, and takes no
// part in weight decay. Gradients and logits are of the drawn ones alone.
#pragma once

#include "nn/head.h"
#include "nn/optimizer.h"

namespace margincore {

class ClassSampling {
 public:
  /// Of a head that draws.
  ClassSampling(Backend& backend, const Head& head, int64_t max_batch);

  /// Throws InvalidOption where the labels of a batch are more of some block's classes than are drawn of it.
  void expect_room(const std::vector<int32_t>& labels) const;

  /// The drawn classes of a step with these labels, and what belongs to them. Labels as the head counts its classes.
  void begin(Backend& backend, const Parameters& parameters, const Optimizer& optimizer, Tensor labels,
             const StepBlock* step) const;
  /// Back, once they are updated.
  void end(Backend& backend, const Parameters& parameters, const Optimizer& optimizer) const;

  /// (slots) int32; of `begin`.
  Tensor drawn() const;
  /// (N) int32: the batch's labels, counted among the drawn classes.
  Tensor places(int64_t batch) const;

 private:
  ClassDraw own_, all_;
  Buffer drawn_, places_;
};

}  // namespace margincore
