// The optimizer: its state has the layout of the parameter arena, and a step is one operation per parameter group.
#pragma once

#include "nn/parameters.h"
#include "spec/optimizer.h"

namespace margincore {

class Optimizer {
 public:
  Optimizer(Backend& backend, const OptimizerSpec& spec, const Parameters& parameters, const Work& work = Work());

  void update(Backend& backend, const Parameters& parameters, const StepBlock* step, const int32_t* halted) const;

  size_t bytes() const { return first_.bytes() + second_.bytes(); }

 private:
  OptimizerSpec spec_;
  Buffer first_, second_;  // velocity, or Adam's two moments
};

}  // namespace margincore
