// Checks the values of one section of a configuration file against their bounds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/duration.pb.h"
#include "node/core/mono_time.h"
#include "node/guardian/program_words.h"
#include "proto/support/config_faults.h"

namespace procctl::node {

// Keys are those below the section: "grace", "backoff.first". A value that is refused is answered
// with its standard, and what is measured by it must ask Told() first: nothing else is blamed for
// it.
class SectionChecker {
 public:
  // `section`: "programs.0". The rest must outlive this.
  SectionChecker(std::string section, const ConfigLines& lines, ConfigFaults* faults)
      : section_(std::move(section)), lines_(lines), faults_(faults) {}

  // Absent and 0 are the same in proto3; the file knows which it was.
  bool Given(std::string_view key) const { return lines_.find(Path(key)) != lines_.end(); }
  bool Told(std::string_view key) const { return faults_->Told(Path(key)); }
  void Refuse(std::string_view key, const std::string& what) {
    faults_->AddKey(lines_, Path(key), what);
  }
  void Refuse(std::string_view key, const absl::Status& why) {
    Refuse(key, std::string(why.message()));
  }
  // Line of a key in the file, 0 if it is not there.
  int Line(std::string_view key) const;

  Nanos Between(std::string_view key, const google::protobuf::Duration& given, bool present,
                Nanos standard, Nanos least, Nanos most);
  int Between(std::string_view key, int given, int standard, int least, int most);
  // nullopt where it is absent or refused.
  std::optional<int> MaybeBetween(std::string_view key, int given, int least, int most);
  std::optional<int64_t> MaybeSize(std::string_view key, const std::string& text, int64_t least,
                                   int64_t most);
  // "" is the standard.
  template <typename T>
  T Word(std::string_view key, const std::string& word, const Words<T>& known, T standard) {
    if (word.empty()) return standard;
    const absl::StatusOr<T> value = ReadWord(word, known);
    if (value.ok()) return *value;
    Refuse(key, value.status());
    return standard;
  }

 private:
  std::string Path(std::string_view key) const;

  const std::string section_;
  const ConfigLines& lines_;
  ConfigFaults* faults_;
};

}  // namespace procctl::node
