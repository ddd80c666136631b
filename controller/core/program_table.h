// The program rows of one node, by label. Pure data; FleetView holds one for each node.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "procctl/v1/program.pb.h"

namespace procctl::controller {

// What filters ask for, and the row as its node sent it: packed, for most rows are never shown.
struct ProgramRow {
  std::string name;
  v1::ProgramState state = v1::PROGRAM_STATE_UNSPECIFIED;
  std::vector<std::string> labels;  // KEY=VALUE
  std::string packed;               // v1::Program
  std::uint64_t digest = 0;         // proto/support/row_digest.h

  v1::Program Unpack() const;
};

class ProgramTable {
 public:
  using Rows = std::map<std::string, ProgramRow, std::less<>>;

  // More than any node may have.
  static constexpr size_t kMostRows = 20'000;
  // The link from a guardian carries no more in one packet.
  static constexpr size_t kMostRowBytes = 128 * 1024;

  // False: the row is left out, because it is malformed: no label, one that is too long or holds
  // control characters (labels become page tokens), no state, too many bytes; or, unless
  // `replace`, a label that is there already.
  bool Upsert(const v1::Program& program, bool replace);
  void Remove(std::string_view label);

  const Rows& rows() const { return rows_; }
  // Of all rows together.
  std::uint64_t digest() const { return digest_; }

 private:
  Rows rows_;
  std::uint64_t digest_ = 0;
};

}  // namespace procctl::controller
