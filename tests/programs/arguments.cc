#include "tests/programs/arguments.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "procctl/heartbeat.h"

namespace procctl::programs {
namespace {

[[noreturn]] void Refuse(const char* program, const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", program, why.c_str());
  std::exit(2);
}

}  // namespace

std::string TextArgument(int argc, char** argv, const char* name, const char* fallback) {
  for (int i = 1; i < argc; i += 2) {
    if (std::string_view(argv[i]) != name) continue;
    if (i + 1 == argc) Refuse(argv[0], std::string(name) + " needs a value");
    return argv[i + 1];
  }
  if (fallback == nullptr) Refuse(argv[0], std::string(name) + " is missing");
  return fallback;
}

int NumberArgument(int argc, char** argv, const char* name, int lowest, int fallback) {
  const std::string text = TextArgument(argc, argv, name, "");
  if (text.empty()) return fallback;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < lowest) {
    Refuse(argv[0], std::string(name) + " is \"" + text + "\"; give a whole number from " +
                        std::to_string(lowest));
  }
  return number;
}

void PrintReady(int error) {
  if (error == 0) {
    std::puts("ready");
  } else {
    const char* said = procctl_open_error();
    std::printf("unguarded: %s\n", said[0] != '\0' ? said : std::strerror(-error));
  }
  std::fflush(stdout);
}

}  // namespace procctl::programs
