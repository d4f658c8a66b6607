#!/usr/bin/env bash
# Installs the build, and builds a project against what was installed.
# Usage: run_consumer.sh BUILD TORCH_DIR PROJECT WORK [MAY_LACK_TORCH_PACKAGE]
# Leaves the program in WORK/build. Exits 77 if the project's find_package(Torch) fails
# and that is allowed.
set -euo pipefail

build=$1 torch=$2 project=$3 work=$4 may_lack=${5:-}
rm -rf "$work"
mkdir -p "$work"
cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
# Moved: nothing in it may remember where it was installed.
mv "$work/prefix" "$work/moved"
if ! cmake -S "$project" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_PREFIX_PATH="$work/moved;$torch" -DSHARDOPT_TORCH_DIR="$torch" \
  >"$work/configure.log" 2>&1; then
  if [[ -n $may_lack ]] && ! grep -q 'shardoptConfig' "$work/configure.log"; then
    echo "SKIPPED: find_package(Torch) does not work on this machine (no fitting CUDA toolkit)"
    exit 77
  fi
  cat "$work/configure.log"
  exit 1
fi
cmake --build "$work/build"
