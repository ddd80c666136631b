#!/usr/bin/env bash
# Takes the guard checks out of node/core one at a time (mutations.txt) and requires that the
# simulator notices each. Prints who survived; exit 1 if anybody did.
#
#   tests/sim/mutate.sh             all
#   tests/sim/mutate.sh NAME ...    only these, with what the simulator says
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

jobs=$(nproc)
cmake --preset dev > /dev/null
cmake --build --preset dev -j "$jobs" --target sim_mutants
sim=build/dev/bin/sim_mutants
mapfile -t names < build/dev/tests/sim/mutants/node/core/mutants
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
export sim log

# Seconds until a mutant that hangs counts as caught.
export patience=60
# The cases first, then seeds: most mutants do not get far.
try() { # NUMBER NAME
  export PROCCTL_MUTANT=$1
  # A mutant that never lets go of anything is caught by this, not by the machine's last memory.
  ulimit -v "$((2 * 1024 * 1024))"
  # So does one that eats all memory.
  ulimit -v 2000000
  if timeout "$patience" "$sim" --replay tests/sim/cases/*.txt > "$log/$2" 2>&1 &&
    timeout "$patience" "$sim" --seeds 12000 > "$log/$2" 2>&1; then
    echo "survived: $2"
  else
    echo "caught: $2"
  fi
}
export -f try

# With nothing taken out everything must hold, or being caught would mean nothing.
if [[ $(try 0 none) != "survived: none" ]]; then
  echo "the simulator fails without any mutation:"
  cat "$log/none"
  exit 1
fi

wanted=("$@")
((${#wanted[@]} > 0)) || wanted=("${names[@]}")
for name in "${wanted[@]}"; do
  for i in "${!names[@]}"; do
    [[ ${names[i]} != "$name" ]] || printf '%d\n%s\n' "$((i + 1))" "$name"
  done
done | xargs -n 2 -P "$jobs" bash -c 'try "$@"' try > "$log/results"

if (($# > 0)); then
  for name in "$@"; do
    echo "== $name"
    cat "$log/$name"
  done
fi
caught=$(grep -c '^caught' "$log/results" || true)
survived=$(grep -c '^survived' "$log/results" || true)
grep '^survived' "$log/results" || true
echo "mutations: $((caught + survived)), caught $caught, survived $survived"
((survived == 0 && caught == ${#wanted[@]}))
