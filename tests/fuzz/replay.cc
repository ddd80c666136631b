// Plays a corpus to a fuzz target without a fuzzer, so that every compiler and sanitizer runs it:
// each file as it is, then as changed by a fixed sequence of mutations. Equal on every machine.
//
//   PROGRAM FOLDER|FILE [MUTATIONS_OF_EACH]
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "tests/fuzz/target.h"

// Of the sanitizers, where the program was built with one: they end a process without a signal.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

constexpr size_t kMostBytes = 8192;
// One input takes microseconds; a machine under load may stretch that.
constexpr unsigned kMostSeconds = 60;
// Address space; sanitizers need terabytes of it, so only without one.
constexpr rlim_t kMostMemory = rlim_t{4} << 30;
constexpr std::array<char, 8> kNasty = {'\0', '\n', '\x1b', '(', ')', '\x7f', '\x80', '\xff'};

struct Random {
  uint64_t state;
  uint64_t Next() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  }
  size_t Below(size_t limit) { return limit == 0 ? 0 : Next() % limit; }
};

// What is being played: for ShowInput, which can allocate nothing.
const char* current_file = "";
const uint8_t* current_bytes = nullptr;
size_t current_size = 0;

void Print(const char* text, size_t size) {
  // Nothing is left to be done where standard error cannot be written.
  if (write(STDERR_FILENO, text, size) < 0) return;
}

void ShowInput() {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  Print("input, from ", 12);
  Print(current_file, std::strlen(current_file));
  Print(", as base64: ", 13);
  for (size_t i = 0; i < current_size; i += 3) {
    uint32_t three = 0;
    for (size_t j = i; j < i + 3; ++j)
      three = three << 8 | (j < current_size ? current_bytes[j] : 0);
    char out[4] = {kDigits[three >> 18], kDigits[three >> 12 & 63], kDigits[three >> 6 & 63],
                   kDigits[three & 63]};
    if (i + 1 >= current_size) out[2] = '=';
    if (i + 2 >= current_size) out[3] = '=';
    Print(out, sizeof out);
  }
  Print("\n", 1);
}

void OnDeadlySignal(int number) {
  ShowInput();
  signal(number, SIG_DFL);
  raise(number);
}

// Also of a run that never ends or takes all memory.
void ShowInputOnDeath() {
  signal(SIGABRT, OnDeadlySignal);
  signal(SIGALRM, OnDeadlySignal);
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(ShowInput);
    return;
  }
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) signal(number, OnDeadlySignal);
  rlimit memory{};
  if (getrlimit(RLIMIT_AS, &memory) == 0) {
    memory.rlim_cur = std::min(memory.rlim_max, kMostMemory);
    if (setrlimit(RLIMIT_AS, &memory) != 0) std::perror("setrlimit");
  }
}

void Play(const std::string& bytes) {
  // Exactly as large as the input: a sanitizer sees the first byte too many.
  const std::unique_ptr<uint8_t[]> copy(new uint8_t[bytes.size()]);
  std::memcpy(copy.get(), bytes.data(), bytes.size());
  current_bytes = copy.get();
  current_size = bytes.size();
  alarm(kMostSeconds);
  LLVMFuzzerTestOneInput(copy.get(), bytes.size());
  alarm(0);
}

void Mutate(const std::vector<std::string>& corpus, Random* random, std::string* bytes) {
  const size_t at = random->Below(bytes->size());
  const size_t length = 1 + random->Below(16);
  switch (random->Below(7)) {
    case 0:
      if (!bytes->empty()) (*bytes)[at] ^= static_cast<char>(1U << random->Below(8));
      break;
    case 1:
      if (!bytes->empty()) (*bytes)[at] = static_cast<char>(random->Next());
      break;
    case 2:
      if (!bytes->empty()) (*bytes)[at] = kNasty[random->Below(kNasty.size())];
      break;
    case 3:
      bytes->resize(at);
      break;
    case 4:
      bytes->erase(at, length);
      break;
    case 5:
      bytes->insert(at, bytes->substr(random->Below(bytes->size()), length));
      break;
    case 6: {
      const std::string& other = corpus[random->Below(corpus.size())];
      bytes->replace(at, std::string::npos, other.substr(random->Below(other.size())));
      break;
    }
  }
  if (bytes->size() > kMostBytes) bytes->resize(kMostBytes);
}

std::string ReadAll(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FOLDER|FILE [MUTATIONS_OF_EACH]\n", argv[0]);
    return 2;
  }
  const int mutations = argc > 2 ? std::atoi(argv[2]) : 0;
  std::vector<std::string> files;
  if (std::filesystem::is_directory(argv[1])) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
      files.push_back(entry.path().string());
    }
    std::sort(files.begin(), files.end());
  } else if (std::filesystem::exists(argv[1])) {
    files.emplace_back(argv[1]);
  }
  if (files.empty()) {
    std::fprintf(stderr, "%s: nothing to play\n", argv[1]);
    return 2;
  }
  std::vector<std::string> corpus;
  corpus.reserve(files.size());
  for (const std::string& file : files) corpus.push_back(ReadAll(file));

  ShowInputOnDeath();
  current_file = argv[1];
  Play("");
  for (size_t i = 0; i < files.size(); ++i) {
    current_file = files[i].c_str();
    Play(corpus[i]);
    Random random{0x9e3779b97f4a7c15ULL + i};
    for (int round = 0; round < mutations; ++round) {
      std::string bytes = corpus[i];
      for (size_t n = 1 + random.Below(4); n > 0; --n) Mutate(corpus, &random, &bytes);
      Play(bytes);
    }
  }
  std::printf("%zu files and %d mutations of each kept every promise\n", files.size(), mutations);
  return 0;
}
