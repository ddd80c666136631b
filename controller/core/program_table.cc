#include "controller/core/program_table.h"

#include <algorithm>
#include <utility>

#include "proto/support/row_digest.h"

namespace procctl::controller {
namespace {

constexpr size_t kMostLabelBytes = 1024;

bool IsLabel(std::string_view text) {
  return !text.empty() && text.size() <= kMostLabelBytes &&
         std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; });
}

}  // namespace

v1::Program ProgramRow::Unpack() const {
  v1::Program program;
  // It was packed here: it can be read.
  (void)program.ParseFromString(packed);
  return program;
}

bool ProgramTable::Upsert(const v1::Program& program, bool replace) {
  if (!IsLabel(program.label()) || program.state() == v1::PROGRAM_STATE_UNSPECIFIED ||
      program.ByteSizeLong() > kMostRowBytes) {
    return false;
  }
  const auto [it, is_new] = rows_.try_emplace(program.label());
  if (!is_new && !replace) return false;
  ProgramRow& row = it->second;
  row.name = program.name().empty() ? program.label() : program.name();
  row.state = program.state();
  row.labels.assign(program.labels().begin(), program.labels().end());
  row.packed = program.SerializeAsString();
  digest_ -= std::exchange(row.digest, RowDigest(program));
  digest_ += row.digest;
  return true;
}

void ProgramTable::Remove(std::string_view label) {
  const auto it = rows_.find(label);
  if (it == rows_.end()) return;
  digest_ -= it->second.digest;
  rows_.erase(it);
}

}  // namespace procctl::controller
