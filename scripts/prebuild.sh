#!/usr/bin/env bash
# Makes prebuilds/linux-x64: the addon, its plugins, and beside them the libraries of the CPU plugin, so that an
# installed package needs no compiler and runs no script. scripts/setup.sh comes first.
# All is built in build/prebuild: prebuildify moves what it finds, and build/Release is the checkout's own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/stamps.sh

prebuilds=prebuilds/$(node -p 'process.platform + "-" + process.arch')
rm -rf "$prebuilds"
mkdir -p build/prebuild
sources=$(checksum "${native_sources[@]}")  # as they are while the build begins
node_modules/.bin/prebuildify --cwd build/prebuild --out "$PWD" --name margincore --napi --strip \
  --node-gyp "$PWD/scripts/prebuild-compile.sh"
bash scripts/prebuild-libraries.sh "$prebuilds"
echo "$sources" >"$prebuilds/sources.checksum"  # scripts/prepack.sh compares it
(cd "$prebuilds" && du --apparent-size -h -- *.node *.so*)
[[ -f $prebuilds/libmargincore_cuda.so ]] || echo 'prebuilds: WITHOUT the CUDA backend, for the reason above'
