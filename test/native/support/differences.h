// Central differences, in double: what a derivative is, without a formula for it.
#pragma once

#include "support/arrays.h"

namespace margincore::test {

/// d f / d x_i for each i of `indices`, by (f(x + h e_i) - f(x - h e_i)) / 2h. The error is of the order of
/// h^2 f''' + 1e-16 f/h: with h = 1e-5 below 1e-9 for functions of ordinary size.
template <class Function>
Doubles central_differences(Doubles x, const std::vector<size_t>& indices, double h, const Function& f) {
  Doubles slopes;
  for (size_t i : indices) {
    const double middle = x[i];
    x[i] = middle + h;
    const double above = f(x);
    x[i] = middle - h;
    const double below = f(x);
    x[i] = middle;
    slopes.push_back((above - below) / (2 * h));
  }
  return slopes;
}

}  // namespace margincore::test
