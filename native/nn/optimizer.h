// The optimizer: its state has the layout of the parameter arena, and a step is one operation per parameter group.
#pragma once

#include "nn/parameters.h"

namespace margincore {

struct OptimizerSpec {
  enum class Type { Sgd, Adam, AdamW } type = Type::Adam;
  float momentum = 0.9f;
  bool nesterov = false;
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
  float weight_decay = 0;
  float head_rate = 1;  // multiplies the learning rate of the head
};

class Optimizer {
 public:
  Optimizer(Backend& backend, const OptimizerSpec& spec, const Parameters& parameters);

  void update(Backend& backend, const Parameters& parameters, const StepBlock* step, const int32_t* halted) const;

  size_t bytes() const { return first_.bytes() + second_.bytes(); }

 private:
  OptimizerSpec spec_;
  Buffer first_, second_;  // velocity, or Adam's two moments
};

}  // namespace margincore
