#!/usr/bin/env bash
# Puts the libraries that the CPU plugin needs beside it, with their licences and where their sources are.
# They are taken from Debian's packages as they are. What every machine with Node has (glibc, the C++ runtime) stays
# out.
#
#   scripts/prebuild-libraries.sh FOLDER
set -euo pipefail
folder=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly folder licenses=$folder/licenses common=/usr/share/common-licenses

mkdir -p "$licenses"
cp node_modules/node-addon-api/LICENSE.md "$licenses/node-addon-api.txt"
cat >"$licenses/README.md" <<'END'
# What is in this folder besides margincore

The licences are in the files beside this one; those that a copyright file names are there in full.

| file | where it comes from | licence |
|---|---|---|
| margincore.node | contains headers of node-addon-api | node-addon-api.txt |
| libmargincore_cuda.so | contains NVIDIA's CUDA runtime | [NVIDIA's](https://docs.nvidia.com/cuda/eula/) |
END

while read -r name _ path _; do
  case $name in
    linux-vdso.so.* | */ld-linux-* | libc.so.* | libm.so.* | libdl.so.* | libpthread.so.* | librt.so.*) continue ;;
    libstdc++.so.* | libgcc_s.so.*) continue ;;
  esac
  file=$(realpath "$path")
  package=$(dpkg-query --search "$file" | cut -d : -f 1)
  source=$(dpkg-query --show --showformat '${source:Package} ${source:Version}' "$package")
  copyright=$(realpath "/usr/share/doc/$package/copyright")
  cp "$file" "$folder/$name"
  cp "$copyright" "$licenses/$package.txt"
  while read -r text; do
    cp "$text" "$licenses/${text##*/}.txt"
  done < <(grep -oE "$common/[A-Za-z]+-[0-9.]*[0-9]" "$copyright" | sort -u)
  echo "| $name | Debian's package $package, as it is; [source](https://snapshot.debian.org/package/${source/ //}/)" \
    "| $package.txt |" >>"$licenses/README.md"
done < <(ldd build/prebuild/build/Release/libmargincore_cpu.so)  # not where they already lie
