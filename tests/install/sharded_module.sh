#!/usr/bin/env bash
# Two ranks of the sharded_module project. Arguments: as run_consumer.sh's first four.
set -euo pipefail
"$(dirname "$0")/run_consumer.sh" "$@"
work=$4
ranks=()
for rank in 0 1; do
  timeout 60 "$work/build/sharded_module" "$rank" 2 "$work/store" &
  ranks+=($!)
done
status=0
for pid in "${ranks[@]}"; do wait "$pid" || status=$?; done
exit "$status"
