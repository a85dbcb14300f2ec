// cuBLAS and cuDNN are not shipped with margincore (over a gigabyte): they are looked for where people have them.
#pragma once

#include <string>

namespace margincore {

/// Loads cuBLAS and cuDNN, both from one folder or one tree of Python wheels, so that versions never mix; the plugin
/// then finds them by name. Returns what was found where, or where it was looked for in vain.
std::string load_cuda_libraries();

}  // namespace margincore
