#include "node/core/classic_row.h"

#include <cstring>
#include <string_view>

#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {

ClassicReading ReadClassicRow(const ClassicRow& row, int32_t guardian_pid, Nanos max_timeout) {
  ClassicReading reading;
  reading.name = Escape(std::string_view(row.name, strnlen(row.name, sizeof row.name)));
  if (reading.name.empty()) reading.name = "unnamed";
  const auto bad = [&](std::string problem) {
    reading.kind = ClassicRowKind::kBad;
    reading.problem = std::move(problem);
    return reading;
  };
  if (row.pid == 0) {
    return row.timeout == 0 && row.atime == 0 ? reading : bad("pid 0 is not a process");
  }
  if (row.pid < 0) return bad(fmt::format("pid {} is not a process", row.pid));
  if (row.pid == 1) return bad("pid 1 is init, never a target");
  if (row.pid == guardian_pid) return bad(fmt::format("pid {} is the guardian itself", row.pid));
  if (row.timeout <= 0) return bad(fmt::format("timeout {} s is not positive", row.timeout));
  reading.timeout = std::chrono::seconds(row.timeout);
  if (reading.timeout > max_timeout) {
    return bad(fmt::format("timeout {} s is above this node's limit", row.timeout));
  }
  reading.kind = ClassicRowKind::kCandidate;
  return reading;
}

}  // namespace procctl::node
