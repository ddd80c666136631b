#include "proto/support/row_digest.h"

#include <string_view>

namespace procctl {
namespace {

constexpr std::uint64_t kSlotTag = 1;
constexpr std::uint64_t kProgramTag = 2;

class Fnv1a {
 public:
  void Add(std::uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) AddByte((number >> shift) & 0xff);
  }
  void Add(std::int64_t number) { Add(static_cast<std::uint64_t>(number)); }
  void Add(std::string_view text) {
    Add(static_cast<std::uint64_t>(text.size()));
    for (const char byte : text) AddByte(static_cast<unsigned char>(byte));
  }
  std::uint64_t value() const { return value_; }

 private:
  void AddByte(std::uint64_t byte) { value_ = (value_ ^ byte) * 1'099'511'628'211U; }

  std::uint64_t value_ = 14'695'981'039'346'656'037U;
};

}  // namespace

std::uint64_t RowDigest(const v1::Slot& slot) {
  Fnv1a digest;
  digest.Add(kSlotTag);
  digest.Add(std::string_view(slot.label()));
  digest.Add(slot.incarnation().generation());
  digest.Add(static_cast<std::int64_t>(slot.incarnation().pid()));
  digest.Add(slot.incarnation().start_ticks());
  digest.Add(static_cast<std::int64_t>(slot.state()));
  digest.Add(std::int64_t{slot.observe() ? 1 : 0});
  digest.Add(std::int64_t{slot.has_hold() ? 1 : 0});
  digest.Add(std::string_view(slot.hold().owner()));
  return digest.value();
}

std::uint64_t RowDigest(const v1::Program& program) {
  Fnv1a digest;
  digest.Add(kProgramTag);
  digest.Add(std::string_view(program.label()));
  digest.Add(static_cast<std::int64_t>(program.state()));
  digest.Add(program.incarnation().generation());
  return digest.value();
}

}  // namespace procctl
