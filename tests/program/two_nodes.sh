#!/usr/bin/env bash
# A torchrun job of two nodes with two ranks each, on one machine: each node is a
# network namespace, with a veth pair between them. Needs root and iproute2.
#   two_nodes.sh                  makes the network and takes it away: can it be made?
#   two_nodes.sh c10d|static PYTHON COMMAND [ARGUMENT...]
# Fails as the first agent that does; when it ends, by a signal too, nothing is left.
set -euo pipefail
readonly job=shardopt$$ port=29511
readonly first=10.77.0.1 second=10.77.0.2
agents=()

clean_up() {
  ((${#agents[@]} == 0)) || kill "${agents[@]}" 2>/dev/null || true
  wait
  ip netns delete "$job-0" 2>/dev/null || true
  ip netns delete "$job-1" 2>/dev/null || true
}
trap clean_up EXIT
trap 'exit 143' TERM INT

make_network() {
  ip netns add "$job-0"
  ip netns add "$job-1"
  ip -n "$job-0" link add net0 type veth peer name net0 netns "$job-1"
  ip -n "$job-0" address add "$first/24" dev net0
  ip -n "$job-1" address add "$second/24" dev net0
  local node
  for node in 0 1; do
    ip -n "$job-$node" link set lo up
    ip -n "$job-$node" link set net0 up
  done
}

# start_agent NODE ADDRESS BACKEND PYTHON COMMAND...
# This machine's name is no address of a node: the agents are told which of them hosts
# the rendezvous, and Gloo its interface.
start_agent() {
  local node=$1 address=$2 backend=$3 python=$4
  shift 4
  local meeting=(--master-addr="$first" --master-port="$port")
  [[ $backend == static ]] ||
    meeting=(--rdzv-endpoint="$first:$port" --rdzv-conf="is_host=$((1 - node))")
  GLOO_SOCKET_IFNAME=net0 ip netns exec "$job-$node" "$python" \
    -m torch.distributed.run --nnodes=2 --node-rank="$node" --nproc-per-node=2 \
    --rdzv-backend="$backend" --rdzv-id="$job" --local-addr="$address" \
    "${meeting[@]}" --no-python "$@" &
  agents+=($!)
}

make_network
(($# > 0)) || exit 0
start_agent 0 "$first" "$@"
start_agent 1 "$second" "$@"
for _ in "${agents[@]}"; do wait -n; done
