// The classic table: whoever writes it chooses nobody but himself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>

#include "proto/support/time_convert.h"
#include "tests/e2e/harness/classic_rows.h"
#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/impostor.h"
#include "tests/e2e/harness/signal_oracle.h"

namespace procctl::e2e {
namespace {

constexpr int kRows = 20;

NodeOptions WithClassic(const ClassicKey& key) {
  NodeOptions options;
  options.grace = "1s";
  options.yaml =
      "classic: {enabled: true, key: '" + key.text() + "', slots: " + std::to_string(kRows) + "}";
  return options;
}

void ExpectNoSignalEvents(Fleet& fleet) {
  for (const v1::Event& event : fleet.Events()) {
    EXPECT_NE(event.kind(), v1::EVENT_KIND_TERM_SENT) << event.ShortDebugString();
    EXPECT_NE(event.kind(), v1::EVENT_KIND_KILL_SENT) << event.ShortDebugString();
  }
}

TEST(Classic, OriginalProgramHangsIsStoppedAndItsRowCleared) {
  const ClassicKey key;
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1", WithClassic(key));
  fleet.AwaitConnected(1);
  Child& program =
      fleet.StartProgram(node, {"classic_worker", "--key", key.text(), "--slots",
                                std::to_string(kRows), "--name", "billing", "--timeout", "2"});
  const v1::FleetSlot slot = fleet.AwaitSlot(program.pid());
  EXPECT_EQ(slot.slot().door(), v1::DOOR_CLASSIC);
  EXPECT_EQ(slot.slot().label(), "billing");
  ClassicRows table(key, kRows);
  int row = -1;
  for (int i = 0; i < kRows; ++i) row = table[i].pid == program.pid() ? i : row;
  ASSERT_GE(row, 0);
  EXPECT_TRUE(Throughout(3s, [&] { return program.Running(); })) << "it beats";

  program.Signal(SIGUSR1);
  const std::optional<int> status = program.WaitExit(6s);
  ASSERT_TRUE(status);
  EXPECT_TRUE(WIFSIGNALED(*status) && WTERMSIG(*status) == SIGTERM);
  EXPECT_TRUE(Eventually(2s, [&] { return table[row].pid == 0; })) << "its row is free again";
  const v1::Event verdict =
      fleet.AwaitEvent("verdict", 5s, Is(v1::EVENT_KIND_VERDICT, program.pid()));
  EXPECT_EQ(verdict.verdict(), v1::VERDICT_EXITED_ON_TERM);
  EXPECT_EQ(verdict.door(), v1::DOOR_CLASSIC);
}

TEST(Classic, RowsThatNameOthersGetNobodySignalled) {
  // Before the table is attached here, or it would have attached it too.
  Impostor bystander = Impostor::Bystander();
  std::optional<SignalOracle> oracle;
  if (geteuid() == 0) oracle.emplace();
  const ClassicKey key;
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1", WithClassic(key));
  fleet.AwaitConnected(1);
  ClassicRows table(key, kRows);
  const std::map<std::string, pid_t> hostile = {{"init", 1},
                                                {"nobody", 0},
                                                {"everybody", -1},
                                                {"group", -getpgrp()},
                                                {"guardian", node.guardian().pid()},
                                                {"bystander", bystander.pid()}};
  int row = 0;
  for (const auto& [name, pid] : hostile) table.Put(row++, pid, name, 1);

  for (const auto& [name, pid] : hostile) {
    const v1::Event warning =
        fleet.AwaitEvent("warning about " + name, 10s, [&](const auto& event) {
          return event.kind() == v1::EVENT_KIND_REGISTRATION_REFUSED && event.name() == name;
        });
    EXPECT_GE(warning.severity(), v1::SEVERITY_WARNING);
    EXPECT_THAT(warning.message(), ::testing::HasSubstr(std::to_string(pid)));
  }
  EXPECT_TRUE(Throughout(4s, [&] { return node.guardian().Running(); }));
  EXPECT_EQ(bystander.Signals(), std::vector<int>{});
  ExpectNoSignalEvents(fleet);
  if (oracle && oracle->usable()) {
    EXPECT_EQ(oracle->SentBy(node.guardian().pid()).size(), 0u);
  }
}

TEST(Classic, ProgramCannotLendItsRowToAnother) {
  // A row that was honest once and then names somebody else.
  Impostor bystander = Impostor::Bystander();
  const ClassicKey key;
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1", WithClassic(key));
  fleet.AwaitConnected(1);
  Child& program =
      fleet.StartProgram(node, {"classic_worker", "--key", key.text(), "--slots",
                                std::to_string(kRows), "--name", "billing", "--timeout", "2"});
  fleet.AwaitSlot(program.pid());
  ClassicRows table(key, kRows);
  program.Signal(SIGUSR1);
  for (int i = 0; i < kRows; ++i) {
    if (table[i].pid == program.pid()) table[i].pid = bystander.pid();
  }
  EXPECT_TRUE(Throughout(5s, [&] { return bystander.Signals().empty(); }));
}

TEST(Classic, SegmentOfAnotherUserIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const ClassicKey key;
  const std::optional<int> made = Child::Fork([&] {
                                    const size_t bytes = sizeof(ClassicRow) * kRows;
                                    return setresuid(kNobody, kNobody, kNobody) == 0 &&
                                                   shmget(key.value(), bytes, IPC_CREAT | 0666) >= 0
                                               ? 0
                                               : 1;
                                  }).WaitExit(5s);
  ASSERT_EQ(made, 0);
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1", WithClassic(key));
  fleet.AwaitConnected(1);
  const v1::Event alarm = fleet.AwaitEvent("alarm", 10s, Is(v1::EVENT_KIND_CLASSIC_ALARM));
  EXPECT_EQ(alarm.severity(), v1::SEVERITY_ALARM);
  EXPECT_THAT(alarm.message(), ::testing::HasSubstr(std::to_string(kNobody)));

  // Even an honest program in it is not believed: its owner could have written any row.
  Child& program =
      fleet.StartProgram(node, {"classic_worker", "--key", key.text(), "--slots",
                                std::to_string(kRows), "--name", "billing", "--timeout", "1"});
  program.Signal(SIGUSR1);
  EXPECT_TRUE(Throughout(4s, [&] { return program.Running(); }));
  ExpectNoSignalEvents(fleet);
  EXPECT_TRUE(fleet.Slots().empty());
}

}  // namespace
}  // namespace procctl::e2e
