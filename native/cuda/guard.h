// No exception crosses the plugin's edge: an operation answers with a Status.
#pragma once

#include <new>

#include "base/error.h"

namespace margincore::cuda {

template <class Work>
Status guarded(const char* operation, const Work& work) {
  try {
    work();
    return Status::success();
  } catch (const Error& error) {
    return Status::failure(error.code(), "%s: %s", operation, error.what());
  } catch (const std::bad_alloc&) {
    return Status::failure(ErrorCode::OutOfMemory, "%s: out of host memory", operation);
  } catch (const std::exception& error) {
    return Status::failure(ErrorCode::Internal, "%s: %s", operation, error.what());
  }
}

}  // namespace margincore::cuda
