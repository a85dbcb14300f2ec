#!/usr/bin/env bash
# Fetches what the CUDA backend is built against, without a system-wide installation: cuBLAS and cuDNN as pip's wheels,
# into .cuda/ (about 1.5 GB), and nvcc too where there is none.
#
#   scripts/cuda-sdk.sh [FOLDER]
set -euo pipefail
folder=$(realpath -m "${1:-$(dirname "${BASH_SOURCE[0]}")/../.cuda}")
packages=(nvidia-cudnn-cu13 nvidia-cublas nvidia-cuda-runtime)
command -v nvcc >/dev/null || packages+=(nvidia-cuda-nvcc nvidia-nvvm nvidia-cuda-crt nvidia-cuda-cccl)
if [[ ! -e $folder/nvidia/cudnn/include/cudnn.h ]]; then
  python3 -m pip install --quiet --no-deps --target "$folder" "${packages[@]}"
  ln -sfn lib "$folder/nvidia/cu13/lib64"  # where nvcc looks
fi

# Of NCCL its header, with which our declarations are compared: nothing is built against its library.
readonly header=nvidia/nccl/include/nccl.h
[[ -e $folder/$header ]] && exit 0
download=$(mktemp -d)
trap 'rm -rf "$download"' EXIT
python3 -m pip download --quiet --no-deps --dest "$download" nvidia-nccl-cu13
python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract(*sys.argv[2:])' "$download"/*.whl "$header" "$folder"
