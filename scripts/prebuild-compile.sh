#!/usr/bin/env bash
# prebuildify runs this instead of node-gyp, in the folder whose build/Release it then takes. Its arguments, a version
# of Node and where to find its headers, have no meaning for Node-API.
# cmake-js compiles the addon and the CPU plugin; the CUDA plugin is taken from its own build, where there is a toolkit.
set -euo pipefail
readonly build=$PWD/build
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rm -f "$build"/Release/*.so  # prebuildify takes whatever lies there
{
  node_modules/.bin/cmake-js configure --out "$build" --CDMARGINCORE_CUDA=OFF &&
    node_modules/.bin/cmake-js build --out "$build" --parallel "$(nproc)"
} >"$build.log" 2>&1 || { cat "$build.log" && exit 1; }

status=0
missing=$(bash scripts/build-cuda.sh 2>&1) || status=$?
case $status in
  0) cp build/cuda/Release/libmargincore_cuda.so "$build/Release/" ;;
  3) echo "prebuilds: no CUDA backend: $missing" ;;
  *) echo "$missing" && exit 1 ;;
esac
