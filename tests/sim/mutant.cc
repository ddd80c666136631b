// Which of the planted mutations is awake: $PROCCTL_MUTANT, counted from 1; 0: none.

#include <cstdlib>

int procctl_mutant = [] {
  const char* number = std::getenv("PROCCTL_MUTANT");
  return number == nullptr ? 0 : std::atoi(number);
}();
