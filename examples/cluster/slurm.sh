#!/usr/bin/env bash
# Trains on four nodes, a process for each socket, and goes on where it was when Slurm starts it again:
#
#   sbatch examples/cluster/slurm.sh --data /data/faces --head arcface
#
#SBATCH --job-name=margincore
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=2
#SBATCH --cpus-per-task=16
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

# On a file system that all nodes have. A job that is started again has the same number.
readonly run=${MARGINCORE_RUN:-$PWD/runs/$SLURM_JOB_ID}

# Without --kill-on-bad-exit the others would wait for one that has ended until their own time is up.
srun --mpi=pmix --kill-on-bad-exit=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" \
  npx margincore train --distributed --checkpoint "$run" --resume --save "$run/model" "$@"
