#!/usr/bin/env bash
# The checkpoint_loop project: ten steps at once, and the same in three parts on one, two
# and one ranks, give the same losses. Arguments: as run_consumer.sh's first four.
set -euo pipefail
"$(dirname "$0")/run_consumer.sh" "$@"
work=$4
loop="$work/build/checkpoint_loop"

# on_two_ranks ARGUMENTS...: a port that was free a moment ago.
on_two_ranks() {
  local port pids=()
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  for rank in 0 1; do
    RANK=$rank WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=$port timeout 60 "$loop" "$@" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
}

timeout 60 "$loop" "$work/whole" 10 >"$work/whole.txt"
{
  timeout 60 "$loop" "$work/parts" 3
  on_two_ranks "$work/parts" 6 resume
  timeout 60 "$loop" "$work/parts" 10 resume
} >"$work/parts.txt"

# Sums over two ranks are rounded in another order.
paste -d' ' "$work/whole.txt" "$work/parts.txt" | awk '
  $1 != $3 || $2 - $4 > 1e-5 || $4 - $2 > 1e-5 { print "differs:", $0; bad = 1 }
  END { exit bad || NR != 10 }'
