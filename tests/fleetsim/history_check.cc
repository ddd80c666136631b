// history_check DATABASE JOURNAL... : is the history what the nodes handed over? (README.md)
//
// Exit code 0: yes. 1: no; each fault is a line. 2: it could not be found out.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "controller/store/sqlite.h"
#include "spdlog/fmt/fmt.h"
#include "tests/fleetsim/history_book.h"

namespace procctl::fleetsim {
namespace {

constexpr int kFaults = 1;
constexpr int kUnknown = 2;
constexpr std::size_t kMostShown = 50;

absl::Status ReadJournal(const std::string& path, HistoryBook* book) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(fmt::format("{} cannot be read", path));
  std::string line;
  while (std::getline(file, line)) {
    // Without its line end it was cut off by a kill; nothing that it tells of has left.
    if (file.eof()) break;
    if (auto s = book->AddJournalLine(line); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status ReadDatabase(const std::string& path, HistoryBook* book) {
  auto database = controller::Database::Open(path, controller::Database::Access::kReadOnly);
  if (!database.ok()) return database.status();
  auto query =
      database->Prepare("SELECT position, origin, epoch, seq, body FROM events ORDER BY position");
  if (!query.ok()) return query.status();
  for (;;) {
    auto row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    StoredRow stored;
    stored.position = query->Integer(0);
    stored.origin = std::string(query->Text(1));
    stored.epoch = query->Integer(2);
    stored.seq = query->Integer(3);
    const std::string_view body = query->Text(4);
    if (!stored.event.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
      return absl::DataLossError(fmt::format("position {}: the body is no event", stored.position));
    }
    book->AddStored(stored);
  }
}

int Main(int argc, char** argv) {
  CLI::App app("Compares a controller's history with the journals of fleetsim.", "history_check");
  std::string path;
  std::vector<std::string> journals;
  bool others = false;
  app.add_option("database", path, "The controller's database, STATE_DIR/controller.db")
      ->required();
  app.add_option("journals", journals, "Files that fleetsim --journal wrote")->required();
  app.add_flag("--others", others, "There are nodes too that no journal knows");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kUnknown;
  }
  HistoryBook book;
  absl::Status read = absl::OkStatus();
  for (const std::string& journal : journals) read.Update(ReadJournal(journal, &book));
  read.Update(ReadDatabase(path, &book));
  if (!read.ok()) {
    fmt::print(stderr, "history_check: {}\n", std::string(read.message()));
    return kUnknown;
  }
  const auto faults = book.Faults(others);
  for (std::size_t i = 0; i < std::min(faults.size(), kMostShown); ++i) {
    fmt::print("{}\n", faults[i]);
  }
  if (faults.size() > kMostShown) fmt::print("and {} more\n", faults.size() - kMostShown);
  fmt::print("{} events of {} epochs of their origins; {} numbers are records of a loss; {}\n",
             book.stored(), book.origins(), book.lost(),
             faults.empty() ? "no fault" : fmt::format("{} faults", faults.size()));
  return faults.empty() ? 0 : kFaults;
}

}  // namespace
}  // namespace procctl::fleetsim

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return procctl::fleetsim::Main(argc, argv);
}
