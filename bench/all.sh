#!/usr/bin/env bash
# npm run bench:all: measures anew what stands in bench/results, but for h100/, on a machine with nothing else to do. A part
# that fails does not keep the others from running; the exit status is then 1. An argument is the folder of the full Fashion-MNIST,
# where Debian's package dataset-fashion-mnist is not installed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

status=0
node bench/rivals/run.mjs --json bench/results/cpu.json --markdown bench/results/cpu.md || status=1
node bench/cost/run.mjs || status=1
node bench/accuracy.mjs "$@" || status=1
node bench/diagnoses.mjs || status=1
node bench/files/run.mjs || status=1
exit "$status"
