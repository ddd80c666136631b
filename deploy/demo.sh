#!/usr/bin/env bash
# A whole fleet on this machine, in one command: a controller, three nodes, real processes. You see them in one
# table, one hangs and is stopped, a stubborn one is killed, and you stop another one from afar.
#
#   deploy/demo.sh          stays up until Ctrl-C, for you to play with
#   deploy/demo.sh --once   tears down after the story; exits 0 only if every step was seen
#
# Everything runs on loopback and lives in one temporary folder that is removed at the end. As a plain user, with sudo
# or as root; only installing missing packages needs root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

once=no
[[ -t 0 && -t 1 ]] || once=yes
case ${1:-} in
  "") ;;
  --once) once=yes ;;
  -h | --help)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
  *)
    echo "demo: unknown option '$1'; it takes --once" >&2
    exit 2
    ;;
esac

bold="" dim="" red="" green="" plain=""
if [[ -t 1 && -z ${NO_COLOR-} && ${TERM-dumb} != dumb ]]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
fi

step_number=0
step() { printf '\n%s== %d. %s%s\n\n' "$bold" $((++step_number)) "$1" "$plain"; }
say() { printf '%s\n' "$*"; }
seen() { printf '%s   seen: %s%s\n' "$green" "$1" "$plain"; }
show() { # prints a command as a person would type it, then runs it
  local word line=""
  for word in "$@"; do
    [[ $word != *[[:space:]]* ]] || word="'$word'"
    line+=" $word"
  done
  printf '%s$%s%s\n' "$dim" "$line" "$plain"
  "$@"
}

work=""
key=""
fail() {
  printf '\n%sdemo: %s%s\n' "$red" "$1" "$plain" >&2
  if [[ -n $work ]]; then
    local log
    for log in "$work"/*.log; do
      [[ -s $log ]] && printf '%s\n' "--- last lines of ${log##*/}" "$(tail -n 5 "$log")" >&2
    done
  fi
  exit 1
}

# ---------------------------------------------------------------- build

say "${bold}procctl demo${plain}: packages and build first (the first time takes some minutes)"
./deploy/install-deps.sh || fail "packages are missing, see above"
if command -v ccache > /dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER-ccache}
  export CMAKE_C_COMPILER_LAUNCHER=${CMAKE_C_COMPILER_LAUNCHER-ccache}
  # What one checkout compiled serves every other one.
  export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
fi
programs=(procctl-node procctl-uplink procctl-controller procctl-cli worker classic_worker stubborn)
mkdir -p build
preset=${PROCCTL_DEMO_PRESET:-release} # for those who have another one built
if ! cmake --preset "$preset" > build/demo-build.log 2>&1; then
  cat build/demo-build.log >&2
  fail "cmake failed, see above"
fi
began=$SECONDS
if [[ -t 1 ]]; then # ninja's one line of progress
  cmake --build --preset "$preset" --target "${programs[@]}" || fail "the build failed, see above"
elif ! cmake --build --preset "$preset" --target "${programs[@]}" >> build/demo-build.log 2>&1; then
  tail -n 40 build/demo-build.log >&2
  fail "the build failed; all of it is in build/demo-build.log"
fi
say "built in $((SECONDS - began)) s"

# ---------------------------------------------------------------- a place that is cleaned up on every exit

# Below /tmp whatever TMPDIR says: the path of a Unix socket has room for 107 bytes.
work=$(mktemp -d /tmp/procctl-demo.XXXXXX)
# In memory, as /run is: a guardian that is killed leaves there what the next one takes up.
run=$(mktemp -d /dev/shm/procctl-demo.XXXXXX 2> /dev/null || mktemp -d "$work/run.XXXXXX")
chmod 755 "$work" "$run" # the uplink runs as another user

declare -A pid_of=() birth_of=() # by name; a pid alone could belong to somebody else by now
birth() { # field 22 of /proc/PID/stat; the name in field 2 may hold anything
  local stat
  stat=$(cat "/proc/$1/stat" 2> /dev/null) || return 1
  read -ra stat <<< "${stat##*) }"
  echo "${stat[19]}"
}
running() { [[ $(birth "${pid_of[$1]}") == "${birth_of[$1]}" ]]; }
signal_all() {
  local name any=1
  for name in "${!pid_of[@]}"; do
    if running "$name"; then
      kill "-$1" "${pid_of[$name]}" 2> /dev/null || true
      any=0
    fi
  done
  return "$any"
}
clean_up() {
  local code=$? tries
  trap - EXIT
  trap '' INT TERM HUP
  for ((tries = 0; tries < 30; ++tries)); do
    signal_all TERM || break
    sleep 0.1
  done
  signal_all KILL || true
  [[ -z $key ]] || ipcrm -M "$key" 2> /dev/null || true
  if [[ -n ${PROCCTL_DEMO_KEEP-} ]]; then
    say "kept: $work $run"
  else
    rm -rf "$work" "$run"
  fi
  exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# start NAME COMMAND...: in the background; output to NAME.out and NAME.log; gone when this script is, however it
# went.
start() {
  local name=$1
  shift
  setpriv --pdeathsig KILL -- "$@" > "$work/$name.out" 2> "$work/$name.log" &
  pid_of[$name]=$!
  birth_of[$name]=$(birth $!)
  disown # or bash would report each death in the middle of the story
}

# await SECONDS WHAT COMMAND...: until COMMAND succeeds; the demo fails if it does not in time.
await() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    ((SECONDS < end)) || fail "not seen in time: $what"
    sleep 0.1
  done
}
says() { grep -q "^$2" "$work/$1.out"; }

# A copy that any user may read and execute: this clone may lie in a home folder that is closed to others.
mkdir "$work/bin"
for program in "${programs[@]}"; do cp "build/$preset/bin/$program" "$work/bin/"; done
PATH=$work/bin:$PATH

# ---------------------------------------------------------------- the fleet

nodes=(web-01 web-02 db-01)
step "Certificates: a CA, one controller, one operator, ${#nodes[@]} nodes"
procctl-controller init --dir "$work/pki" --fleet demo --controller ctl-1 --host 127.0.0.1,localhost \
  --operator "${SUDO_USER:-$(id -un)}" --node "${nodes[0]},${nodes[1]},${nodes[2]}" > "$work/init.out"
operator=$(echo "$work"/pki/operators/*)
say "made in $work/pki; every connection below is mutual TLS, and a node can only be the one in its certificate"

step "One controller and ${#nodes[@]} nodes, each with a heartbeat table of its own"
cat > "$work/controller.yaml" << YAML
listen: 127.0.0.1:0
state_dir: $work/controller
ca: $work/pki/controller/ca.crt
cert: $work/pki/controller/cert.pem
key: $work/pki/controller/key.pem
YAML
start controller procctl-controller --config "$work/controller.yaml"
await 15 "the controller is listening" says controller "listening on "
address=$(sed -n 's/^listening on //p' "$work/controller.out")

cat > "$work/env" << ENV
export PROCCTL_CONTROLLER=$address PROCCTL_CA=$operator/ca.crt PROCCTL_CERT=$operator/cert.pem PROCCTL_KEY=$operator/key.pem
export PATH=$work/bin:\$PATH
ENV
# shellcheck disable=SC1091
. "$work/env"
if [[ -n ${SUDO_UID-} ]]; then # whoever typed sudo may go on without it
  chmod 711 "$work/pki" "$work/pki/operators"
  chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$operator"
fi

# A key that nobody uses: this machine may have a classic table of its own.
while key=0x50$(printf '%06x' $((RANDOM * 256 + RANDOM % 256))); ipcs -m | grep -qi "$key"; do :; done
for node in "${nodes[@]}"; do
  mkdir -p "$run/$node" "$work/$node/state"
  cat > "$work/$node.yaml" << YAML
node: $node
runtime_dir: $run/$node
state_dir: $work/$node/state
grace: 3s
controller:
  address: $address
  ca: $work/pki/nodes/$node/ca.crt
  cert: $work/pki/nodes/$node/cert.pem
  key: $work/pki/nodes/$node/key.pem
uplink:
  user: nobody
  path: $work/bin/procctl-uplink
YAML
  if [[ $node == db-01 ]]; then
    printf 'classic: {enabled: true, key: "%s", slots: 100}\n' "$key" >> "$work/$node.yaml"
  fi
  start "$node" procctl-node "$work/$node.yaml"
done
for node in "${nodes[@]}"; do
  await 15 "$node is guarding" says "$node" "guarding as $node"
done

# ---------------------------------------------------------------- the processes

# guarded NODE NAME PROGRAM ARGUMENTS...: started under the node's eyes.
guarded() {
  local node=$1 name=$2
  shift 2
  PROCCTL_HEARTBEAT_SOCKET=$run/$node/heartbeat.sock start "$name" "$@"
  await 10 "$name is ready" says "$name" ready
}
start_encoder() { guarded web-01 encoder worker --name encoder --timeout-ms 2000 --threads 3; }
start_billing() { guarded db-01 billing classic_worker --key "$key" --slots 100 --name billing --timeout 3; }
start_encoder
guarded web-02 api worker --name api --timeout-ms 2000 --threads 1
guarded web-02 mule stubborn --name mule --timeout-ms 2000
start_billing
say "web-01 runs ${bold}encoder${plain}, a C++ program with three threads, each with a heart of its own;"
say "web-02 runs ${bold}api${plain}, and ${bold}mule${plain}, which ignores SIGTERM;"
say "db-01 runs ${bold}billing${plain}, a C program that knows only the classic shared-memory table."

# Commands that wait for what must be seen. Both read the CLI's plain table.
table_has() { procctl-cli list 2> /dev/null | grep -Eq "$1"; }
events_have() { procctl-cli events 2> /dev/null | grep -Eq "$1"; }

step "The fleet in one table"
for row in web-01/encoder web-01/encoder-2 web-01/encoder-3 web-02/api web-02/mule db-01/billing; do
  await 20 "a row for $row" table_has "^${row%/*} +${row#*/} +alive "
done
show procctl-cli list nodes
say
show procctl-cli list
seen "three nodes and six slots"

step "encoder hangs: its first thread stops beating, the others go on"
hung_pid=${pid_of[encoder]}
kill -USR1 "$hung_pid"
await 10 "encoder is asked to stop" events_have " term_sent +encoder "
await 10 "encoder's verdict" events_have " verdict +encoder .* exited_on_term "
show procctl-cli events --filter "pid=$hung_pid kind=hung,term_sent,kill_sent,verdict"
say
show procctl-cli why web-01/encoder
seen "hang, SIGTERM, the verdict with its milliseconds, and why"

step "mule hangs too, and ignores SIGTERM: after the grace (3s here) comes SIGKILL"
hung_pid=${pid_of[mule]}
kill -USR1 "$hung_pid"
await 10 "mule in its grace" table_has "^web-02 +mule +term_sent "
show procctl-cli list
await 10 "mule's verdict" events_have " verdict +mule .* killed "
say
show procctl-cli events --filter "pid=$hung_pid kind=hung,term_sent,kill_sent,verdict"
seen "SIGTERM, SIGKILL, KILLED"

step "You stop a process on another host"
show procctl-cli kill db-01/billing --yes --reason "because we can"
await 10 "billing's verdict" events_have " verdict +billing .* operator +exited_on_term "
say
show procctl-cli events --filter "name=billing kind=verdict"
seen "the order, its verdict, and who gave it"

if [[ $once == yes ]]; then
  printf '\n%sEvery step was seen.%s Run it on a terminal without --once to play with the fleet.\n' "$bold" "$plain"
  exit 0
fi

# ---------------------------------------------------------------- yours

start_encoder
start_billing
await 10 "encoder again" table_has "^web-01 +encoder +alive "
cat << TEXT

${bold}The fleet stays up until you press Ctrl-C.${plain} Go on in another terminal:

    . $work/env
$(printf '    %-56s # %s\n' \
  "procctl-cli list" "the fleet" \
  "procctl-cli kill web-02/api --reason test" "stop one process, wherever it runs" \
  "procctl-cli events" "what happened" \
  "procctl-cli why web-02/mule" "why it was stopped, in sentences" \
  "procctl-cli hold web-02/api --for 10m --reason test" "nobody stops it for a while" \
  "procctl-cli describe web-01" "a node: brakes, lag, kills" \
  "procctl-cli list -o json" "for your scripts" \
  "kill -USR1 ${pid_of[encoder]}" "let encoder hang" \
  "kill -STOP ${pid_of[api]}" "a stopped process hangs as well" \
  "kill -KILL ${pid_of[controller]}" "enforcement goes on without a controller")
    procctl-cli help

Your own program: link libprocctl_heartbeat (README.md, "Guard your own program") and start it with
    PROCCTL_HEARTBEAT_SOCKET=$run/web-01/heartbeat.sock

TEXT
trap 'exit 0' INT
while :; do sleep 1; done
