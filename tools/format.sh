#!/usr/bin/env bash
# Formats the C++ sources in place; with --check only says which are not formatted.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v clang-format >/dev/null || {
  echo "tools/format.sh: clang-format is missing; as root: apt-get install clang-format" >&2
  exit 1
}
mode=(-i)
case ${1:-} in
  "") ;;
  --check) mode=(--dry-run --Werror) ;;
  *)
    echo "tools/format.sh: unknown argument '$1'; allowed: --check" >&2
    exit 1
    ;;
esac
git ls-files -z --cached --others --exclude-standard '*.h' '*.cpp' |
  xargs -0 -r clang-format "${mode[@]}"
