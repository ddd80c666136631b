// A program whose output tells when it was written: line after line, with a pause of another length
// before each, and then nothing more.
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <random>

#include "tests/programs/arguments.h"

int main(int argc, char** argv) {
  using procctl::programs::NumberArgument;
  const int lines = NumberArgument(argc, argv, "--lines", 1, 10);
  const int shortest_ms = NumberArgument(argc, argv, "--from-ms", 0, 0);
  const int longest_ms = NumberArgument(argc, argv, "--to-ms", shortest_ms, shortest_ms);
  std::mt19937 random(std::random_device{}());
  std::uniform_int_distribution<int> pause_ms(shortest_ms, longest_ms);
  for (int line = 1; line <= lines; ++line) {
    (void)poll(nullptr, 0, pause_ms(random));
    timespec now{};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    // "at NANOSECONDS LINE", the time as CLOCK_MONOTONIC has it.
    std::printf("at %lld %d\n", now.tv_sec * 1'000'000'000LL + now.tv_nsec, line);
    (void)std::fflush(stdout);
  }
  for (;;) (void)pause();
}
