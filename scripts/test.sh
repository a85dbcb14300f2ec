#!/usr/bin/env bash
# Runs every test: the C++ tests, also on a simulated CUDA device, scripts/count-instructions, the C++ tests again under
# the address and undefined-behaviour sanitizers, then Jest, and what of it compares backends on the simulated device;
# then scripts/gpu-check there.
# The last line sums them up, `N passed, M failed` with `, K skipped` where some were; the exit status is 0 only if
# tests ran and none failed. scripts/setup.sh --tests comes first.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

passed=0 failed=0 skipped=0
readonly simulated_cuda=$PWD/build/sim/libmargincore_cuda_sim.so

main() {
  heading 'C++ tests'
  run_ctest build

  heading "Instructions of the CPU's loops"
  count_instructions

  heading 'C++ tests, sanitizers'
  if build_with_sanitizers; then run_ctest build/asan; else add 0 1 0; fi

  heading 'TypeScript tests'
  run_jest

  heading 'TypeScript tests, simulated CUDA device'
  if [[ -f $simulated_cuda ]]; then
    MARGINCORE_CUDA_LIBRARY=$simulated_cuda MARGINCORE_TESTED_BACKENDS=cuda REQUIRE_CUDA=1 \
      run_jest dist/test/parity dist/test/lib/simulatedCuda
  elif [[ ${REQUIRE_CUDA_SIM-} == 1 ]]; then
    echo "there is no $simulated_cuda: NVIDIA's headers were not found (scripts/cuda-sdk.sh brings them)"
    add 0 1 0
  else
    echo "skipped: NVIDIA's headers were not found (scripts/cuda-sdk.sh brings them)"
    add 0 0 1
  fi

  heading "GPU check, rehearsed on the simulated CUDA device"
  rehearse_gpu_check

  echo
  local summary="$passed passed, $failed failed"
  if ((skipped > 0)); then summary+=", $skipped skipped"; fi
  echo "$summary"
  ((failed == 0 && passed > 0))
}

heading() { printf '\n== %s ==\n' "$1"; }

add() { passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3)); }

build_with_sanitizers() {
  local log=build/asan.log
  {
    cmake -S . -B build/asan -DMARGINCORE_TESTS=ON -DMARGINCORE_SANITIZE=ON -DMARGINCORE_ADDON=OFF \
      -DCMAKE_BUILD_TYPE=RelWithDebInfo &&
      cmake --build build/asan --parallel "$(nproc)"
  } >"$log" 2>&1 || { cat "$log" && return 1; }
}

# run_ctest <build folder>: a run that fails without a failed case, or without any case, counts as one failure.
run_ctest() {
  local log=$1/Testing/Temporary/LastTest.log status=0 counts
  rm -f "$log"
  UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 ctest --test-dir "$1" --output-on-failure || status=$?
  read -r -a counts < <(count_doctest_cases "$log")
  count "$status" "${counts[@]}"
}

# Prints `passed failed skipped`. A test program that ends badly counts as a failure even if its summary names none,
# or is missing because it crashed.
count_doctest_cases() {
  [[ -f $1 ]] || { echo 0 0 0 && return; }
  awk '
    /^\[doctest\] test cases:/ {
      gsub(/[^0-9]+/, " ")  # total, passed, failed, skipped
      program_failed += $3; passed += $2; failed += $3; skipped += $4
    }
    /^Test (Passed|Failed)\.$/ {
      if ($0 != "Test Passed." && program_failed == 0) failed++
      program_failed = 0
    }
    END { print passed + 0, failed + 0, skipped + 0 }' "$1"
}

# What scripts/gpu-check does on a machine with a GPU, as far as the other tests have not done it here.
rehearse_gpu_check() {
  local python=${MARGINCORE_PYTHON:-python3} log=build/gpu-check.log status=0 counts
  if [[ ! -f $simulated_cuda ]]; then
    echo 'skipped: there is no simulated device' && add 0 0 1 && return
  elif ! "$python" -c 'import numpy' 2>/dev/null; then
    echo "skipped: $python has no NumPy" && add 0 0 1 && return
  fi
  MARGINCORE_PYTHON=$python MARGINCORE_CUDA_LIBRARY=$simulated_cuda \
    scripts/gpu-check test --only trajectories --out build/gpu-check 2>&1 | tee "$log" || status=$?
  read -r -a counts < <(count_summary "$log")
  count "$status" "${counts[@]}"
}

count_instructions() {
  local log=build/instructions.log status=0 counts
  scripts/count-instructions 2>&1 | tee "$log" || status=$?
  read -r -a counts < <(count_summary "$log")
  if ((status == 0 && counts[2] > 0)); then add "${counts[@]}"; else count "$status" "${counts[@]}"; fi
}

# Prints `passed failed skipped` of a last line that sums up.
count_summary() {
  [[ -f $1 ]] || { echo 0 0 0 && return; }
  tail -n 1 "$1" | awk '{ print $1 + 0, $3 + 0, $5 + 0 }'
}

run_jest() {
  local report=build/jest.json status=0 counts
  rm -f "$report"
  node_modules/.bin/jest --json --outputFile="$report" "$@" || status=$?
  read -r -a counts < <(count_jest_tests "$report")
  count "$status" "${counts[@]}"
}

# Prints `passed failed skipped`. A test file that cannot be loaded counts as a failure.
count_jest_tests() {
  [[ -f $1 ]] || { echo 0 0 0 && return; }
  node -e '
    const report = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
    const failed = report.numFailedTests + report.numRuntimeErrorTestSuites;
    console.log(report.numPassedTests, failed, report.numPendingTests + report.numTodoTests);' "$1"
}

# count <exit status> <passed> <failed> <skipped>
count() {
  add "$2" "$3" "$4"
  if (($3 == 0 && ($1 != 0 || $2 == 0))); then add 0 1 0; fi
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then main; fi  # sourced, it only offers its functions
