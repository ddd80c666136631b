#!/usr/bin/env bash
# Installs the Debian packages that procctl is built with: those that are missing, nothing else.
#
#   deploy/install-deps.sh          what building, testing and the demo need
#   deploy/install-deps.sh --ci     and what .ci/run needs on top
#   deploy/install-deps.sh --print  only prints the names of what is missing
#
# Works from a base system without a compiler, without a terminal, as root or with sudo.
set -euo pipefail

build=(
  build-essential cmake ninja-build ccache pkg-config
  libgrpc++-dev protobuf-compiler-grpc protobuf-compiler libprotobuf-dev libabsl-dev
  libspdlog-dev libcli11-dev libyaml-cpp-dev libsqlite3-dev libssl-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  tzdata # the time zones of cron lines; needed on each node as well
  iproute2 # ip and ss: tests that cut the wire between a node and its controller
  python3 # the Python binding's test; python3-minimal has no ctypes
)
ci=(clang clang-tidy clang-format shellcheck strace)

wanted=("${build[@]}")
print=no
for argument in "$@"; do
  case $argument in
    --ci) wanted+=("${ci[@]}") ;;
    --print) print=yes ;;
    -h | --help)
      sed -n '2,8s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *)
      echo "install-deps: unknown option '$argument'; it takes --ci and --print" >&2
      exit 2
      ;;
  esac
done

if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
  echo "install-deps: this is not Debian or a system like it (no dpkg, no apt-get)." >&2
  echo "Install what these packages hold, then run cmake yourself: ${wanted[*]}" >&2
  exit 1
fi

missing=()
for package in "${wanted[@]}"; do
  # One query a package: dpkg-query leaves packages it never heard of out of a joint answer.
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done

if [[ $print == yes ]]; then
  ((${#missing[@]} == 0)) || printf '%s\n' "${missing[@]}"
  exit 0
fi
((${#missing[@]} > 0)) || exit 0

as_root=()
if ((EUID != 0)); then
  if command -v sudo > /dev/null && sudo -n true 2> /dev/null; then
    as_root=(sudo -n)
  elif command -v sudo > /dev/null && [[ -t 0 && -t 2 ]]; then
    as_root=(sudo) # it may ask for the password: somebody is there to answer
  else
    {
      echo "install-deps: ${#missing[@]} packages are missing, and installing them takes root. Run this, then try again:"
      echo
      echo "    sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}"
      echo
    } >&2
    exit 1
  fi
fi

echo "install-deps: installing ${missing[*]}" >&2
apt() {
  # Waits for another apt (unattended upgrades on a fresh machine) instead of failing at once.
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" < /dev/null >&2
}
apt update
apt install -y --no-install-recommends "${missing[@]}"
