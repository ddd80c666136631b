// Names and notes are bytes that a process wrote. Whatever they are, they reach no terminal raw,
// break no JSON and hide no other row.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <set>

#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/guarded_child.h"
#include "tests/e2e/harness/json.h"

namespace procctl::e2e {
namespace {

// A byte that a terminal would act on. C1 controls come as two bytes in UTF-8.
std::string FirstRawControl(const std::string& text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool c1 =
        byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if ((byte < 0x20 && byte != '\n') || byte == 0x7f || c1) {
      return "byte " + std::to_string(byte) + " at " + std::to_string(i);
    }
  }
  return "";
}

std::vector<std::string> HostileNames() {
  std::vector<std::string> names = {
      "\x1b[2J\x1b[31mowned",  // clears the screen
      "\x1b]0;title\x07",      // renames the window
      "line\nbreak\r\ttab",    // forges rows
      "\xff\xfe\x80\xc0\xaf",  // not UTF-8
      "\xc2\x9b"
      "31mc1",                         // CSI as one character
      "\xe2\x80\xaetxt.exe",           // right-to-left override
      "quote\"back\\slash{}[],:",      // JSON's own letters
      "\xed\xa0\x80surrogate",         // half a character
      "<script>&amp;%s%n${HOME}`id`",  // other languages' letters
      std::string(63, '\xc3'),         // as long as can be, and malformed at every byte
      "-o",
      "--yes",
      "*",
      "a b",
      "n1/x",  // what a command line could misread
  };
  std::mt19937 random(20261122);
  for (int i = 0; i < 15; ++i) {
    std::string name(1 + random() % 63, ' ');
    for (char& byte : name) byte = static_cast<char>(1 + random() % 255);
    names.push_back(name);
  }
  return names;
}

TEST(HostileBytes, NeverReachATerminalNorBreakJsonNorHideRows) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  fleet.AwaitConnected(1);
  const std::vector<std::string> names = HostileNames();
  std::vector<Child> clients;
  std::set<pid_t> pids;
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string& note = names[names.size() - 1 - i];
    clients.push_back(GuardedChild(node, names[i], 60s, [&note](procctl_heart* heart) {
      // Past the library, as a hostile program would: no terminating NUL, page fields of random
      // bits.
      memset(heart->page->note, 0xff, PROCCTL_NOTE_BYTES);
      memcpy(heart->page->note, note.data(), note.size());
      heart->page->progress = ~uint64_t{0};
      Hang();
    }));
    pids.insert(clients.back().pid());
  }
  clients.push_back(GuardedChild(node, "innocent", 60s, [](procctl_heart*) { Hang(); }));
  pids.insert(clients.back().pid());

  std::set<pid_t> listed;
  ASSERT_TRUE(Eventually(10s,
                         [&] {
                           listed.clear();
                           for (const v1::FleetSlot& slot : fleet.Slots())
                             listed.insert(slot.slot().incarnation().pid());
                           return listed == pids;
                         }))
      << "rows are missing: " << listed.size() << " of " << pids.size();

  const Finished table = fleet.Cli({"list"});
  EXPECT_EQ(table.exit_code, 0) << table.err;
  EXPECT_EQ(FirstRawControl(table.out), "");
  EXPECT_THAT(table.out, ::testing::HasSubstr("innocent"));
  size_t rows = 0;
  for (size_t at = table.out.find("\nn1 "); at != std::string::npos;
       at = table.out.find("\nn1 ", at + 1)) {
    ++rows;
  }
  EXPECT_EQ(rows, pids.size()) << "one line per slot:\n" << table.out;

  const Finished events = fleet.Cli({"events"});
  EXPECT_EQ(events.exit_code, 0) << events.err;
  EXPECT_EQ(FirstRawControl(events.out), "");
  const Finished json = fleet.Cli({"events", "-o", "json"});
  EXPECT_EQ(json.exit_code, 0);
  EXPECT_EQ(FirstRawControl(json.out), "");
  EXPECT_NO_THROW(ParseJson(json.out));
  std::set<pid_t> registered;
  for (const v1::Event& event : fleet.Events()) {
    if (event.kind() == v1::EVENT_KIND_SLOT_REGISTERED)
      registered.insert(event.incarnation().pid());
  }
  EXPECT_EQ(registered, pids);
  EXPECT_EQ(FirstRawControl(node.Log()), "") << "nor through the guardian's log";
}

TEST(HostileBytes, AnOddNameCanStillBeStopped) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  fleet.AwaitConnected(1);
  Child odd = GuardedChild(node, "a b\x1b[31m", 60s, [](procctl_heart*) { Hang(); });
  const v1::FleetSlot slot = fleet.AwaitSlot(odd.pid());
  const Finished killed = fleet.Cli({"kill", "n1/" + slot.slot().label(), "--yes"});
  EXPECT_EQ(killed.exit_code, 0) << killed.err;
  EXPECT_EQ(FirstRawControl(killed.out), "");
  EXPECT_TRUE(odd.WaitExit(5s));
}

}  // namespace
}  // namespace procctl::e2e
