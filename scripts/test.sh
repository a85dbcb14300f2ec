#!/usr/bin/env bash
# Runs the tests. scripts/setup.sh --tests comes first.
#
#   scripts/test.sh               the TypeScript and C++ tests, on the CPU and on the simulated CUDA device
#   scripts/test.sh --all         also what takes long: under sanitizers, in more orders of threads, instructions counted
#   scripts/test.sh PART…         some parts, without what they need
#
# Builds and tests go on side by side; what each part prints is in build/logs. In the end come the reasons of skipped
# tests, and the sums, `N passed, M failed` with `, K skipped`; the exit status is 0 only if tests ran and none failed.
cd "$(dirname "${BASH_SOURCE[0]}")/.." && exec node dist/test/run/main.js "$@"
