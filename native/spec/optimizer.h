// An optimizer as it is described.
#pragma once

namespace margincore {

struct OptimizerSpec {
  enum class Type { Sgd, Adam, AdamW } type = Type::Adam;
  float momentum = 0.9f;
  bool nesterov = false;
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
  float weight_decay = 0;
  double clip_gradients = 0;  // the largest norm of all gradients; 0: they are not clipped
  float head_rate = 1;        // multiplies the learning rate of the head
  float average_decay = 0;    // of the average that follows the parameters step by step; 0: none does
};

}  // namespace margincore
