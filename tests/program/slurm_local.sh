#!/usr/bin/env bash
# A Slurm of one node on loopback, for as long as standard input is open.
#   slurm_local.sh FOLDER CONTROLLER_PORT NODE_PORT
# Its configuration is FOLDER/slurm.conf (SLURM_CONF for srun). Says "ready", or ends
# with one line that names the daemon which does not start, and the last of its log.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
readonly folder=$1 controller_port=$2 node_port=$3
readonly wait_seconds=15
export SLURM_CONF=$folder/slurm.conf
daemons=()

# What a test has left behind; a daemon that is killed would leave it running.
end_jobs() {
  local deadline=$((SECONDS + wait_seconds))
  timeout 2 scancel --user="$(id -un)" || return 0
  while ((SECONDS < deadline)) && [[ -n $(timeout 2 squeue --noheader) ]]; do
    sleep 0.1
  done
}

clean_up() {
  ((${#daemons[@]} < 3)) || end_jobs 2>/dev/null
  ((${#daemons[@]} == 0)) || kill "${daemons[@]}" 2>/dev/null || true
  wait
}
trap clean_up EXIT
trap 'exit 143' TERM INT

write_configuration() {
  cat >"$SLURM_CONF" <<CONF
ClusterName=local
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmctldPort=$controller_port
SlurmdPort=$node_port
AuthInfo=socket=$folder/munge.socket
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
StateSaveLocation=$folder
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SlurmdParameters=config_overrides
NodeName=$(hostname) NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES OverSubscribe=FORCE:8
CONF
}

# start NAME CHECK COMMAND...: until CHECK succeeds.
start() {
  local name=$1 check=$2
  shift 2
  "$@" >"$folder/$name.log" 2>&1 </dev/null &
  daemons+=($!)
  local deadline=$((SECONDS + wait_seconds))
  until $check 2>/dev/null; do
    if ! kill -0 "${daemons[-1]}" 2>/dev/null || ((SECONDS > deadline)); then
      printf '%s does not start: %s\n' "$name" "$(tail -n 1 "$folder/$name.log")"
      exit 1
    fi
    sleep 0.05
  done
}

munged_answers() { [[ -S $folder/munge.socket ]]; }
slurmctld_answers() { timeout 2 scontrol ping | grep -q 'is UP'; }
slurmd_answers() { timeout 2 sinfo --noheader --format=%T | grep -q '^idle'; }

umask 077
head -c 1024 /dev/urandom >"$folder/key"
write_configuration
start munged munged_answers munged --foreground --force --key-file="$folder/key" \
  --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
  --seed-file="$folder/seed"
start slurmctld slurmctld_answers slurmctld -D
start slurmd slurmd_answers slurmd -D
echo ready
# `wait` lets signals through, unlike a command in the foreground.
cat <&0 >/dev/null &
wait $!
