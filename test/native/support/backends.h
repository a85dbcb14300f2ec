// The backends that the tests run on: all that this machine has.
#pragma once

#include <vector>

#include "backend/load.h"

namespace margincore::test {

/// Opened once, with `deterministic`; the preferred one first. Throws if there is none: a test must not pass by doing
/// nothing.
const std::vector<Backend*>& backends();

/// The types that this backend's activations may have.
std::vector<DType> activation_types(const Backend& backend);

/// The types that the gradients of weights may have beside such activations.
std::vector<DType> weight_gradient_types(const Backend& backend, DType activations);

/// Their names, for tests that open a backend of their own.
std::vector<std::string> backend_names();

/// MARGINCORE_TESTED_BACKENDS names one backend, where the others are tested by another run.
bool is_chosen(const std::string& name);

/// Whether the environment says that this backend must be there: REQUIRE_CUDA=1. The CPU always must.
bool is_required(const std::string& name);

/// Whether it is there, and if not, why.
BackendAvailability availability(const std::string& name);

}  // namespace margincore::test
