// Random changes of training images as they are described: base/augmentation.h has the struct.
#pragma once

#include "base/augmentation.h"

namespace margincore {

/// Throws InvalidOption for a number outside its range, and for a range whose least is above its most.
void validate(const Augmentation& augmentation);

}  // namespace margincore
