#!/usr/bin/env bash
# Installs what is missing, builds, and runs the unit, integration, end-to-end and fault tests.
#
#   tests/run.sh                     everything; closes with ctest's summary
#   tests/run.sh --preset release    the binaries as they are shipped
#   tests/run.sh -R Classic -V       further arguments go to ctest
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=dev
case ${1:-} in
  --preset)
    preset=${2:?--preset takes dev, release, asan or tsan}
    shift 2
    ;;
  -h | --help)
    sed -n '2,6s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

./deploy/install-deps.sh

if command -v ccache > /dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER-ccache}
  export CMAKE_C_COMPILER_LAUNCHER=${CMAKE_C_COMPILER_LAUNCHER-ccache}
  # What one checkout compiled serves every other one.
  export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
fi
cmake --preset "$preset"
cmake --build --preset "$preset"

# Those that measure time run one at a time, as CMake is told, and those that mostly wait beside them.
exec ctest --preset "$preset" -L '^(unit|integration|e2e|fault)$' --timeout 180 -j "${PROCCTL_TEST_JOBS:-4}" "$@"
