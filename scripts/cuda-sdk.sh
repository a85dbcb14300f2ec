#!/usr/bin/env bash
# Fetches what the CUDA backend is built against, without a system-wide installation: cuBLAS and cuDNN as pip's wheels,
# into .cuda/ (about 1.5 GB), and nvcc too where there is none.
#
#   scripts/cuda-sdk.sh [FOLDER]
set -euo pipefail
folder=$(realpath -m "${1:-$(dirname "${BASH_SOURCE[0]}")/../.cuda}")
packages=(nvidia-cudnn-cu13 nvidia-cublas nvidia-cuda-runtime)
command -v nvcc >/dev/null || packages+=(nvidia-cuda-nvcc nvidia-nvvm nvidia-cuda-crt nvidia-cuda-cccl)
[[ -e $folder/nvidia/cudnn/include/cudnn.h ]] && exit 0
python3 -m pip install --quiet --no-deps --target "$folder" "${packages[@]}"
ln -sfn lib "$folder/nvidia/cu13/lib64"  # where nvcc looks
