#!/usr/bin/env bash
# npm runs this before it packs or publishes. Refuses a package that lacks what it is there for, or has it of other
# sources than those that are packed with it: nobody would notice before it is installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/stamps.sh

readonly prebuilds=prebuilds/linux-x64
problems=()

for file in dist/lib/index.js "$prebuilds"/{margincore.node,libmargincore_cpu.so,libmargincore_cuda.so,libdnnl.so.2}; do
  [[ -f $file ]] || problems+=("there is no $file")
done
if ((${#problems[@]} == 0)); then
  is_stamped "$prebuilds/sources.checksum" "${native_sources[@]}" ||
    problems+=("$prebuilds was not built from CMakeLists.txt, package.json and native/ as they are now")
  is_stamped "$dist_stamp" "${dist_sources[@]}" || 
    problems+=("dist was not built from ${dist_sources[*]} as they are now")
fi
# Of what is packed, and of what it is built from: nobody could say later what it was.
if git rev-parse --git-dir >/dev/null 2>&1; then
  changed=$(git status --porcelain -- "${native_sources[@]}" "${dist_sources[@]}" datasets docs schemas scripts README.md LICENSE |
    head -n 5 | cut -c 4- | paste -sd ' ')
  [[ -z $changed ]] || problems+=("there are changes that are not committed: $changed")
fi
((${#problems[@]} > 0)) || exit 0

{
  printf 'not to be packed: %s\n' "${problems[@]}"
  echo 'This builds all of it: npm run prebuildify'
  command -v nvcc >/dev/null || echo 'with the CUDA toolkit, which this brings: scripts/cuda-sdk.sh'
} >&2
exit 1
