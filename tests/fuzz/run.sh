#!/usr/bin/env bash
# Lets every fuzzer look for inputs that break a promise, for a bounded time each.
#
#   tests/fuzz/run.sh [-s SECONDS] [TARGET...]    default: 15 s each of all targets
#
# Needs `cmake --preset fuzz && cmake --build --preset fuzz`. Starts from corpus/, changes nothing in it. Exit code
# 1 if something was found: the fuzzer's report and the input as base64 are printed.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=${PROCCTL_FUZZ_BIN:-$here/../../build/fuzz/bin}
seconds=15
if [[ ${1-} == -s ]]; then
  seconds=${2:?run.sh: -s takes seconds}
  shift 2
fi
targets=("$@")
((${#targets[@]} > 0)) || mapfile -t targets < <(find "$here/corpus" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort)
if ((${#targets[@]} == 0)); then
  echo "run.sh: no targets below $here/corpus" >&2
  exit 2
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

fuzz() { # TARGET
  local work=$scratch/$1 execs corpus code=0
  mkdir -p "$work/found" && cp -r "$here/corpus/$1" "$work/corpus" || return 1
  "$bin/$1_fuzz" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -max_len=4096 -print_final_stats=1 \
    -artifact_prefix="$work/found/" "$work/corpus" > "$work/log" 2>&1 < /dev/null || code=$?
  execs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")
  corpus=$(find "$work/corpus" -type f | wc -l)
  printf '%-14s %10s runs, corpus grew to %s files\n' "$1" "${execs:-?}" "$corpus"
  ((code != 0)) || return 0
  echo "FOUND by $1 (exit code $code):"
  grep -vE '^#[0-9]+|^INFO|NEW_FUNC|^stat::' "$work/log" | tail -n 60
  local input
  for input in "$work/found"/*; do
    [[ -f $input ]] || continue
    echo "input ${input##*/} as base64:"
    base64 -w0 "$input"
    echo
  done
  return 1
}

failed=0
running=()
finish_one() {
  wait "${running[0]}" || failed=1
  running=("${running[@]:1}")
}
for target in "${targets[@]}"; do
  ((${#running[@]} < $(nproc))) || finish_one
  fuzz "$target" > "$scratch/$target.report" 2>&1 &
  running+=($!)
done
while ((${#running[@]} > 0)); do finish_one; done
for target in "${targets[@]}"; do cat "$scratch/$target.report"; done
exit "$failed"
