#!/usr/bin/env bash
# Compiles the CUDA backend for every GPU that it is shipped for: build/cuda/Release/libmargincore_cuda.so, and what the
# tools say in build/cuda.log. Needs no GPU. Where the CUDA toolkit is not there it says what is missing: exit status 3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly sdk=$PWD/.cuda build=build/cuda log=build/cuda.log

mkdir -p build
unset CUDAARCHS  # every GPU, not those of this machine
if ! command -v nvcc >/dev/null && [[ -x $sdk/nvidia/cu13/bin/nvcc ]]; then
  export CUDACXX=$sdk/nvidia/cu13/bin/nvcc
fi
cmake -S . -B "$build" -DMARGINCORE_CUDA=AUTO -DMARGINCORE_CUDA_SDK="$sdk" -DMARGINCORE_ADDON=OFF \
  -DCMAKE_BUILD_TYPE=Release >"$log" 2>&1 || { cat "$log" && exit 1; }
if missing=$(grep -oP 'No CUDA backend: \K.*' "$log"); then
  echo "$missing (nvcc 13, cuBLAS 13 and cuDNN 9 are needed)" >&2
  exit 3
fi
cmake --build "$build" --target margincore_cuda --parallel "$(nproc)" >>"$log" 2>&1 || { cat "$log" && exit 1; }
