// Rows of the classic table: written by any process of the table's group, at any time.
#include <chrono>
#include <cstring>
#include <string>

#include "node/core/classic_row.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/text_oracle.h"

// The row, int32 guardian's pid (0: the row's own), uint32 limit in seconds.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace procctl::fuzz;
  using procctl::node::ClassicRowKind;
  using std::chrono::seconds;
  Input input(data, size);
  const auto row = input.Take<procctl::node::ClassicRow>();
  auto guardian_pid = input.Take<int32_t>();
  if (guardian_pid == 0) guardian_pid = row.pid;
  const procctl::node::Nanos limit = seconds(input.Take<uint32_t>());

  const auto reading = procctl::node::ReadClassicRow(row, guardian_pid, limit);
  PROCCTL_MUST(IsSafe(reading.name));
  const auto name = Unescape(reading.name);
  PROCCTL_MUST(name && !name->empty() && name->size() <= sizeof row.name);
  PROCCTL_MUST(name == "unnamed" || std::memcmp(name->data(), row.name, name->size()) == 0);
  switch (reading.kind) {
    case ClassicRowKind::kCandidate:
      PROCCTL_MUST(row.pid > 1 && row.pid != guardian_pid);
      PROCCTL_MUST(row.timeout > 0 && reading.timeout == seconds(row.timeout));
      PROCCTL_MUST(reading.timeout <= limit);
      PROCCTL_MUST(reading.problem.empty());
      break;
    case ClassicRowKind::kFree:
      PROCCTL_MUST(row.pid == 0 && row.timeout == 0 && row.atime == 0);
      PROCCTL_MUST(reading.problem.empty());
      break;
    case ClassicRowKind::kBad:
      PROCCTL_MUST(!reading.problem.empty() && IsPrintableAscii(reading.problem));
      break;
  }
  return 0;
}
