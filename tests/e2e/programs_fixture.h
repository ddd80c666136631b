// What the tests of programs share: a controller and one node whose programs the test names.
#pragma once

#include <gtest/gtest.h>

#include <csignal>
#include <initializer_list>
#include <string>
#include <vector>

#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/program_rows.h"

namespace procctl::e2e {

inline constexpr char kForever[] = "exec sleep 3600";

// One entry of `programs:`.
inline std::string Entry(const std::string& name, const std::string& shell,
                         std::initializer_list<std::string> keys = {}) {
  std::string yaml = "  - name: " + name + "\n    shell: |-\n      " + shell + "\n";
  for (const std::string& key : keys) yaml += "    " + key + "\n";
  return yaml;
}

// A fleet of a controller and the node n1, which runs these programs.
class Programs : public ::testing::Test {
 protected:
  Node& Start(const std::string& programs) {
    fleet_.StartController();
    NodeOptions options;
    options.programs = programs;
    Node& node = fleet_.StartNode("n1", options);
    fleet_.AwaitConnected(1, 30s);
    return node;
  }

  // As a person does it: the file, then SIGHUP. Returns what the node says of it.
  v1::Event Reload(const std::string& programs, v1::EventKind answer) {
    const size_t before = Count(answer);
    fleet_.SetPrograms("n1", programs);
    fleet_.node("n1").guardian().Signal(SIGHUP);
    std::vector<v1::Event> events;
    Await(
        30s, v1::EventKind_Name(answer),
        [&] {
          events = Of(answer);
          return events.size() > before;
        },
        [&] { return fleet_.node("n1").Log(); });
    return events.back();
  }

  std::vector<v1::Event> Of(v1::EventKind kind) {
    std::vector<v1::Event> events = fleet_.Events();
    std::erase_if(events, [kind](const v1::Event& event) { return event.kind() != kind; });
    return events;
  }
  size_t Count(v1::EventKind kind) { return Of(kind).size(); }

  v1::Program AwaitState(const std::string& label, v1::ProgramState state) {
    return AwaitProgram(fleet_, "n1", label, state);
  }
  // Running, and in another process than `old`.
  pid_t AwaitNewPid(const std::string& label, pid_t old) {
    return AwaitProgram(fleet_, "n1", label, "in a new process",
                        [old](const v1::Program& row) {
                          return row.state() == v1::PROGRAM_STATE_RUNNING &&
                                 row.incarnation().pid() != old;
                        })
        .incarnation()
        .pid();
  }

  void ExpectOk(const Finished& cli) { EXPECT_EQ(cli.exit_code, 0) << cli.out << cli.err; }

  // The one death on record of a program of n1.
  v1::Event TheDeath(const std::string& label) {
    std::vector<v1::Event> deaths;
    Await(
        30s, "a death of " + label,
        [&] {
          deaths = History(fleet_, "n1/" + label);
          return !deaths.empty();
        },
        [&] { return fleet_.node("n1").Log(); });
    EXPECT_EQ(deaths.size(), 1U) << label;
    EXPECT_EQ(deaths.front().program(), label);
    EXPECT_EQ(deaths.front().node(), "n1");
    EXPECT_TRUE(deaths.front().death().status_known()) << deaths.front().ShortDebugString();
    return deaths.front();
  }

  Fleet fleet_{{"n1"}};
};

}  // namespace procctl::e2e
