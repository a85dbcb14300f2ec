#!/usr/bin/env bash
# Makes a checkout ready to run: system packages, npm packages, native build, TypeScript build.
#
#   scripts/setup.sh            what the demo needs
#   scripts/setup.sh --tests    and what scripts/test.sh begins with, which then builds the C++ tests
#
# `npm run demo` and `npm test` begin with it, so a step that has nothing to do must cost next to nothing.
# Made for Debian 12 with Node and git; elsewhere it says what to install and goes on once that is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/stamps.sh

tests=false
case "${1-}" in
  '') ;;
  --tests) tests=true ;;
  *) echo "usage: scripts/setup.sh [--tests]" >&2 && exit 2 ;;
esac

readonly log=build/setup.log
readonly native_stamp=build/native.checksum
missing=()

main() {
  mkdir -p build
  local started
  started=$(milliseconds)
  step 'system packages' system_is_complete install_system_packages
  step 'npm packages' npm_is_current install_npm_packages
  step 'native build' native_is_current build_native
  step 'TypeScript build' dist_is_current build_dist
  echo "setup: ready … $(seconds_since "$started")"
}

# step <what> <is it done?> <do it>: one line on the terminal, with how far the compiler is now and then; what the tools
# say goes to the log.
# `set -e` has no effect inside the functions that this calls: they chain their commands with &&.
step() {
  local what=$1 is_done=$2 do_it=$3 started
  started=$(milliseconds)
  printf 'setup: %s … ' "$what"
  if "$is_done"; then
    echo "nothing to do, $(seconds_since "$started")"
  elif with_progress "$do_it"; then
    seconds_since "$started"
  else
    echo "failed after $(seconds_since "$started")"
    cat "$log"
    exit 1
  fi
}

with_progress() {
  local status=0 reporter
  : >"$log"
  report_progress &
  reporter=$!
  "$1" >"$log" 2>&1 </dev/null || status=$?
  kill "$reporter"
  wait "$reporter" 2>/dev/null || true
  return "$status"
}

# In the background, until it is told to end: `sleep` ends with it, which a shell does not wait for by itself.
report_progress() {
  trap 'kill $(jobs -p); wait; exit' TERM
  while
    sleep 10 >/dev/null &
    wait $!
  do
    grep -oE '^\[[0-9]+/[0-9]+\]' "$log" | tail -n 1 | tr '\n' ' '
  done
} 2>/dev/null

# --- system packages: what is missing is found by looking for the thing itself, not for a distribution's package

system_is_complete() {
  missing=()
  have cmake || missing+=(cmake)
  have ninja || have make || missing+=(ninja-build)
  compiles '__cplusplus >= 202002L && __has_include(<concepts>)' || missing+=(g++)
  { compiles '__has_include(<dnnl.hpp>)' && links libdnnl.so; } || missing+=(libdnnl-dev)
  # Processes train together by either MPI, also on two hosts with a cable that is cut.
  if $tests; then
    have ip || missing+=(iproute2)
    { have mpirun.openmpi && have mpicxx.openmpi; } || missing+=(openmpi-bin libopenmpi-dev)
    { have mpirun.mpich && have mpicxx.mpich; } || missing+=(mpich libmpich-dev)
  fi
  ((${#missing[@]} == 0))
}

install_system_packages() {
  local options='-y --no-install-recommends' install
  install="apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install $options ${missing[*]}"
  if ! have apt-get; then
    echo "Install what these packages of Debian bring, then run this script again: ${missing[*]}"
    return 1
  elif ((EUID == 0)); then
    sh -c "$install"
  elif have sudo && sudo -n true; then
    sudo -n sh -c "$install"
  else
    printf 'This installs what is missing; then run this script again:\n\n    %s\n' "sudo sh -c '$install'"
    return 1
  fi &&
    { system_is_complete || { echo "Installed, but still not usable: ${missing[*]}" && return 1; }; }
}

have() { command -v "$1" >/dev/null; }

# compiles <preprocessor condition>: the C++ compiler is there, knows C++20 and the condition holds.
compiles() {
  printf '#if !(%s)\n#error no\n#endif\n' "$1" | "${CXX:-c++}" -std=c++20 -x c++ -fsyntax-only - 2>/dev/null
}

# links <file>: the compiler finds the library; it answers with the bare name where it does not.
links() { [[ $("${CXX:-c++}" -print-file-name="$1" 2>/dev/null) == /* ]]; }

# --- npm packages

npm_is_current() { [[ -f node_modules/.package-lock.json && ! package-lock.json -nt node_modules/.package-lock.json ]]; }

# Of onnxruntime the CPU part, which is in the package, is enough: nothing is downloaded beside it.
install_npm_packages() { ONNXRUNTIME_NODE_INSTALL=skip npm ci; }

# --- native build

native_is_current() {
  [[ -f build/Release/margincore.node ]] &&
    { ! $tests || grep -qs '^MARGINCORE_TESTS:[A-Z]*=ON' build/CMakeCache.txt; } &&
    is_stamped "$native_stamp" "${native_sources[@]}"
}

build_native() {
  local options=()
  if $tests; then options=(--CDMARGINCORE_TESTS=ON); fi
  # Configuring first, because `cmake-js build` does not apply options to a folder that is configured already.
  rm -f "$native_stamp" &&
    node_modules/.bin/cmake-js configure "${options[@]}" &&
    node_modules/.bin/cmake-js build --parallel "$(nproc)" --target native/all &&
    stamp "$native_stamp" "${native_sources[@]}"
}

# --- TypeScript build

dist_is_current() { is_stamped "$dist_stamp" "${dist_sources[@]}"; }

build_dist() {
  # What was compiled from a file that is gone must go too: Jest would still run it.
  rm -rf dist &&
    node_modules/.bin/tsc -p tsconfig.json &&
    node scripts/bundle-charts.mjs &&
    stamp "$dist_stamp" "${dist_sources[@]}"
}

# --- time

milliseconds() { echo "$((${EPOCHREALTIME/[.,]/} / 1000))"; }

seconds_since() {
  local elapsed=$(($(milliseconds) - $1))
  printf '%d.%02ds\n' $((elapsed / 1000)) $((elapsed % 1000 / 10))
}

main
