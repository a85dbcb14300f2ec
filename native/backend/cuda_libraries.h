// cuBLAS and cuDNN are not shipped with margincore (over a gigabyte): they are looked for where people have them.
#pragma once

#include <string>

namespace margincore {

struct CudaLibraries {
  bool loaded = false;
  std::string text;  // what was loaded from where; otherwise why not, or where it was looked for in vain
};

/// Loads cuBLAS and cuDNN, both from one folder or one tree of Python wheels, so that versions never mix; the plugin
/// then finds them by name.
CudaLibraries load_cuda_libraries();

}  // namespace margincore
