#!/bin/sh
# Runs the linker's command line with the archives of gRPC, Protobuf and Abseil in the place of their shared libraries,
# which are the same Debian packages' (CMake's RULE_LAUNCH_LINK). A command line is started for every question that a
# person or a script has: loading and binding 45 shared libraries took a quarter of its time. OpenSSL stays shared, so that its
# security updates need no build.
for argument; do
  shift
  case $argument in
    */libgrpc*.so* | */libgpr.so* | */libprotobuf.so* | */libabsl_*.so* | */libaddress_sorting.so* | */libupb.so* | */libre2.so* | */libcares.so*)
      archive=${argument%%.so*}.a
      if [ -e "$archive" ]; then argument=$archive; fi
      ;;
  esac
  set -- "$@" "$argument"
done
exec "$@"
