#!/usr/bin/env bash
# Several processes on one or more machines, one GPU each, or all on CPUs:
#   tools/dist_test.sh CONFIG CHECKPOINT NUM_PROCESSES [--device cpu] [FLAGS OF tools/test.py]
# Environment: NNODES, NODE_RANK, MASTER_ADDR, PORT, PYTHON.
set -euo pipefail
if [ $# -lt 3 ]; then
  echo "usage: tools/dist_test.sh CONFIG CHECKPOINT NUM_PROCESSES [FLAGS OF tools/test.py]" >&2
  exit 2
fi
CONFIG=$1
CHECKPOINT=$2
PROCESSES=$3
shift 3
# Processes share the cores; left alone, torch.distributed.run gives each one thread.
case " $* " in
  *' --device cpu '* | *' --device=cpu '*)
    CORES=$(getconf _NPROCESSORS_ONLN)
    THREADS=$((CORES > PROCESSES ? CORES / PROCESSES : 1))
    export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$THREADS}"
    ;;
esac
exec "${PYTHON:-python}" "$(dirname "$0")/dist_run.py" \
  --nnodes="${NNODES:-1}" \
  --node_rank="${NODE_RANK:-0}" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" \
  --master_port="${PORT:-29500}" \
  --nproc_per_node="$PROCESSES" \
  "$(dirname "$0")/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "$@"
