#!/usr/bin/env bash
# Fetches what the CUDA backend is built against, without a system-wide installation: cuBLAS and cuDNN as pip's wheels,
# into .cuda/ (about 1.5 GB). nvcc itself comes from the CUDA toolkit.
#
#   scripts/cuda-sdk.sh [FOLDER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${1:-.cuda}
packages=(nvidia-cudnn-cu13 nvidia-cublas nvidia-cuda-runtime)
[[ -e $folder/nvidia/cudnn/include/cudnn.h ]] && exit 0
python3 -m pip install --quiet --no-deps --target "$folder" "${packages[@]}"
