// What every fuzz target has in common: it takes foreign bytes and says which promise they broke.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

// One run. Returns 0; a broken promise ends the process. Keeps no state that a later run could see:
// an input that fails must fail alone.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

// Ends the process with the promise's text. Not assert(): it must hold in every build.
#define PROCCTL_MUST(condition)                                                            \
  do {                                                                                     \
    if (!(condition)) {                                                                    \
      std::fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                        \
    }                                                                                      \
  } while (false)
