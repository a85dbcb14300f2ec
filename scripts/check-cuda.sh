#!/usr/bin/env bash
# Compares the simulated device's declarations, and those of NCCL, with NVIDIA's, compiles the CUDA backend for every GPU that it is shipped
# for (scripts/build-cuda.sh) and links it with the real cuBLAS and cuDNN; no GPU is needed. Fails where a declaration is
# wrong, where a kernel spills registers or needs more than its budget, where a symbol is missing, and where loading it on
# a machine without a driver is anything but a reason.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly sdk=$PWD/.cuda build=build/cuda
readonly register_budget=72  # of nvcc 13.0: 64 in margin_softmax, so that half of a multiprocessor's threads fit

bash scripts/cuda-sdk.sh "$sdk"
node scripts/compare-cuda-headers.mjs
node scripts/compare-cuda-headers.mjs native/comm/nccl
if [[ -d $build ]]; then find "$build" -name '*.cu.o' -delete; fi  # what ptxas says is said only while it compiles
bash scripts/build-cuda.sh

spills=$(grep -cE '[1-9][0-9]* bytes spill' "$build.log" || true)
registers=$(grep -oE 'Used [0-9]+ registers' "$build.log" | sort -k2 -n | tail -n 1 | tr -dc 0-9)
kernels=$(grep -c 'Compiling entry function' "$build.log")
echo "$kernels kernels (times architectures), at most $registers registers, $spills with spills"
((spills == 0 && registers <= register_budget && kernels > 0)) || exit 1

plugin=$build/Release/libmargincore_cuda.so
missing=$(LD_LIBRARY_PATH=$(printf '%s:' "$sdk"/nvidia/*/lib) ldd -r "$plugin" 2>&1 | grep -E 'not found|undefined' || true)
[[ -z $missing ]] || { echo "$missing" && exit 1; }

if [[ ! -e /dev/nvidia0 ]]; then
  reason=$(MARGINCORE_CUDA_PATH=$sdk MARGINCORE_CUDA_LIBRARY=$PWD/$plugin node -e '
    console.log(require("./dist/lib/index.js").backends().find(({ name }) => name === "cuda").reason)')
  echo "without a driver: $reason"
  [[ $reason == *driver* ]] || exit 1
fi
