// A program that takes memory, says so, and keeps it.
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <vector>

#include "tests/programs/arguments.h"

int main(int argc, char** argv) {
  const int mib = procctl::programs::NumberArgument(argc, argv, "--mib", 1, 64);
  // Written to, so that it is held and not only promised. Piece by piece: where it gets no more, it
  // has what it got.
  std::vector<std::vector<char>> held;
  for (int i = 0; i < mib; ++i) held.emplace_back(size_t{1} << 20, 'x');
  std::printf("holds %zu MiB\n", held.size());
  (void)std::fflush(stdout);
  for (;;) (void)pause();
}
