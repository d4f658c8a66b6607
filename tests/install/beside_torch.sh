#!/usr/bin/env bash
# The beside_torch project. Arguments: as run_consumer.sh's first four.
set -euo pipefail
"$(dirname "$0")/run_consumer.sh" "$@" may_lack
timeout 60 "$4/build/beside_torch"
