// One test body for many cases, on every backend. A failure names the case by its `to_string`.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <type_traits>

#include "support/backends.h"

namespace margincore::test {

/// Sizes of a case that is a matrix.
struct Matrix {
  int64_t rows, columns;
};

inline std::string to_string(const Matrix& m) { return std::to_string(m.rows) + " x " + std::to_string(m.columns); }
inline std::string to_string(int64_t number) { return std::to_string(number); }

/// body(backend, case) for every case, or body(backend, dtype, case) for every type of activations, too.
template <class Cases, class Body>
void for_each_case(Backend& backend, const Cases& cases, const Body& body) {
  CAPTURE(std::string(backend.info().device));
  using Case = std::remove_cvref_t<decltype(*std::begin(cases))>;
  if constexpr (std::is_invocable_v<Body, Backend&, const Case&>) {
    for (const Case& each : cases) {
      CAPTURE(to_string(each));
      body(backend, each);
    }
  } else {
    for (const DType dtype : activation_types(backend)) {
      CAPTURE(size_of(dtype));
      for (const Case& each : cases) {
        CAPTURE(to_string(each));
        body(backend, dtype, each);
      }
    }
  }
}

/// The same on every backend.
template <class Cases, class Body>
void for_each_case(const Cases& cases, const Body& body) {
  for (Backend* backend : backends()) for_each_case(*backend, cases, body);
}

}  // namespace margincore::test
