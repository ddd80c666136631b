// What every storage engine must do, whatever it is made of. An engine joins by instantiating the
// suite with a way to open it (see local_engine_test.cc); opening the same folder again after a
// close must find everything that was told to be committed.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "controller/store/engine.h"

namespace procctl::controller {

struct EngineKind {
  std::string name;
  std::function<absl::StatusOr<std::unique_ptr<Engine>>(const std::string& dir)> open;
};

// What gtest shows of it.
inline void PrintTo(const EngineKind& kind, std::ostream* out) { *out << kind.name; }

class EngineConformance : public ::testing::TestWithParam<EngineKind> {
 protected:
  void SetUp() override;
  void TearDown() override;
  void Reopen();

  // Each waits for the callback.
  std::int64_t Claim(const std::string& node, std::int64_t at_least = 0);
  absl::StatusOr<Committed> Append(const std::string& node, std::int64_t session,
                                   std::vector<v1::Event> events);
  absl::StatusOr<Committed> AppendOwn(std::vector<v1::Event> events);
  std::vector<Cursor> Cursors(const std::string& node);
  absl::StatusOr<std::vector<Cursor>> AcceptGaps(const std::string& node, std::int64_t session,
                                                 std::vector<HeldRange> held);
  absl::Status Forget(const std::string& node);
  absl::Status Record(const OrderRequest& request);
  // "node epoch/seq" of all that match, read in pages.
  std::vector<std::string> Events(std::string_view filter = "", int page = 1000);

  std::string dir_;
  std::unique_ptr<Engine> engine_;
};

v1::Event MakeEvent(const std::string& node, std::int64_t epoch, std::int64_t seq);

}  // namespace procctl::controller
