#include "node/core/reload_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "proto/support/config_help.h"

namespace procctl::node {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using What = ReloadPlan::Step::What;

bool IsSection(const FieldDescriptor& field) {
  return field.message_type() != nullptr && !field.is_repeated() &&
         field.message_type()->full_name() != "google.protobuf.Duration";
}

// Of every key, sections key by key: "limits.memory_max".
std::vector<std::string> AllKeys(const Descriptor& schema, const std::string& prefix = "") {
  std::vector<std::string> keys;
  for (int i = 0; i < schema.field_count(); ++i) {
    const FieldDescriptor& field = *schema.field(i);
    if (IsSection(field)) {
      const auto inner = AllKeys(*field.message_type(), prefix + field.name() + ".");
      keys.insert(keys.end(), inner.begin(), inner.end());
    } else {
      keys.push_back(prefix + field.name());
    }
  }
  return keys;
}

// Something that no standard is.
void SetKey(Message* message, const std::string& key) {
  const size_t dot = key.find('.');
  const FieldDescriptor& field = *message->GetDescriptor()->FindFieldByName(key.substr(0, dot));
  const auto& reflection = *message->GetReflection();
  if (dot != std::string::npos) {
    return SetKey(reflection.MutableMessage(message, &field), key.substr(dot + 1));
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      if (field.is_repeated()) return reflection.AddString(message, &field, "changed");
      return reflection.SetString(message, &field, "changed");
    case FieldDescriptor::CPPTYPE_INT32:
      if (field.is_repeated()) return reflection.AddInt32(message, &field, 77);
      return reflection.SetInt32(message, &field, 77);
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.SetInt64(message, &field, 77);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.SetBool(message, &field, true);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (field.is_repeated()) return SetKey(reflection.AddMessage(message, &field), "from");
      dynamic_cast<google::protobuf::Duration&>(*reflection.MutableMessage(message, &field))
          .set_seconds(77);
      return;
    default:
      FAIL() << key << " is of a type that no key has";
  }
}

v1::ProgramConfig Program(const std::string& name) {
  v1::ProgramConfig program;
  program.set_name(name);
  program.add_command("/bin/true");
  return program;
}

Change Compare(const v1::ProgramConfig& now, const v1::ProgramConfig& then,
               std::vector<std::string>* keys) {
  keys->clear();
  return CompareProgram(now, then, keys);
}

TEST(ProgramChanges, EveryKeyOfTheSchemaIsClassedAndNoOther) {
  std::set<std::string> classed;
  for (const auto& [key, change] : ProgramChanges()) classed.insert(key);
  std::set<std::string> keys;
  for (const std::string& key : AllKeys(*v1::ProgramConfig::descriptor())) keys.insert(key);
  keys.erase("name");
  EXPECT_EQ(classed, keys);
}

// "[live" or "[restart" in what `explain` prints of a key.
Change Marker(const std::string& key) {
  const auto text = ExplainConfig(*v1::NodeConfig::descriptor(), "programs." + key);
  EXPECT_TRUE(text.ok()) << text.status();
  if (!text.ok()) return Change::kNone;
  // Of a section only its own words, not those of its keys.
  const std::string own = text->substr(0, text->find("\n\n", text->find("\n\n") + 2));
  const bool live = own.find("[live") != std::string::npos;
  const bool restart = own.find("[restart]") != std::string::npos;
  EXPECT_FALSE(live && restart) << own;
  return live ? Change::kLive : restart ? Change::kRestart : Change::kNone;
}

TEST(ProgramChanges, TheSchemaSaysTheSame) {
  for (const auto& [key, change] : ProgramChanges()) {
    Change said = Marker(key);
    // A key without a word of its own is as its section says.
    if (said == Change::kNone && key.find('.') != std::string::npos) {
      said = Marker(key.substr(0, key.find('.')));
    }
    EXPECT_EQ(said, change) << key << ": config.proto and ProgramChanges() differ";
  }
}

TEST(CompareProgram, EveryKeyIsSeenAndNamed) {
  for (const auto& [key, change] : ProgramChanges()) {
    const v1::ProgramConfig now = Program("a");
    v1::ProgramConfig then = now;
    SetKey(&then, key);
    std::vector<std::string> keys;
    EXPECT_EQ(Compare(now, then, &keys), change) << key;
    EXPECT_THAT(keys, ElementsAre(key));
    EXPECT_EQ(Compare(then, now, &keys), change) << key << " taken out again";
    EXPECT_EQ(Compare(then, then, &keys), Change::kNone) << key;
    EXPECT_THAT(keys, IsEmpty());
  }
}

TEST(CompareProgram, AQuietWindowThatDiffersWithinIsSeen) {
  v1::ProgramConfig now = Program("a");
  now.add_quiet()->set_from("@daily");
  now.mutable_quiet(0)->mutable_last()->set_seconds(3600);
  v1::ProgramConfig then = now;
  std::vector<std::string> keys;
  EXPECT_EQ(Compare(now, then, &keys), Change::kNone);
  then.mutable_quiet(0)->mutable_last()->set_seconds(3601);
  EXPECT_EQ(Compare(now, then, &keys), Change::kLive);
  EXPECT_THAT(keys, ElementsAre("quiet"));
}

TEST(CompareProgram, TheStrongestCountsAndAllAreNamedInTheOrderOfTheSchema) {
  const v1::ProgramConfig now = Program("a");
  v1::ProgramConfig then = now;
  then.mutable_limits()->set_nice(5);
  then.mutable_grace()->set_seconds(9);
  then.add_env("A=1");
  std::vector<std::string> keys;
  EXPECT_EQ(Compare(now, then, &keys), Change::kRestart);
  EXPECT_THAT(keys, ElementsAre("env", "grace", "limits.nice"));
}

TEST(CompareProgram, WritingAStandardDownRestartsNothing) {
  const v1::ProgramConfig now = Program("a");
  v1::ProgramConfig then = now;
  then.set_dir("/");
  then.set_umask("0022");
  then.set_door("none");
  then.mutable_output()->set_stdout("null");
  then.mutable_output()->set_stderr("null");
  then.mutable_limits();
  then.mutable_backoff();
  std::vector<std::string> keys;
  EXPECT_EQ(Compare(now, then, &keys), Change::kNone) << keys[0];

  v1::ProgramConfig beating = now;
  beating.set_door("notify");
  then = beating;
  then.set_notify_access("main");
  then.mutable_start_grace()->set_seconds(90);
  EXPECT_EQ(Compare(beating, then, &keys), Change::kNone) << keys[0];
  then.mutable_start_grace()->set_nanos(1);
  EXPECT_EQ(Compare(beating, then, &keys), Change::kRestart);
}

TEST(CompareProgram, ADurationOfNothingIsNotAnAbsentOne) {
  const v1::ProgramConfig now = Program("a");
  v1::ProgramConfig then = now;
  then.mutable_backoff()->mutable_first();
  std::vector<std::string> keys;
  EXPECT_EQ(Compare(now, then, &keys), Change::kLive);
  EXPECT_THAT(keys, ElementsAre("backoff.first"));
}

TEST(CompareProgram, TheOrderOfArgumentsCounts) {
  v1::ProgramConfig now = Program("a");
  now.add_command("-a");
  now.add_command("-b");
  v1::ProgramConfig then = Program("a");
  then.add_command("-b");
  then.add_command("-a");
  std::vector<std::string> keys;
  EXPECT_EQ(Compare(now, then, &keys), Change::kRestart);
  EXPECT_THAT(keys, ElementsAre("command"));
}

TEST(PlanReload, OneChangedProgramOfAHundredIsTheOnlyOneThatRestarts) {
  v1::NodeConfig now;
  for (int i = 0; i < 100; ++i) *now.add_programs() = Program("p" + std::to_string(i));
  v1::NodeConfig then = now;
  then.mutable_programs(42)->add_env("A=1");
  const ReloadPlan plan = PlanReload(now, then);
  ASSERT_EQ(plan.steps.size(), 100U);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(plan.steps[static_cast<size_t>(i)].what, i == 42 ? What::kRestart : What::kUnchanged)
        << i;
  }
  EXPECT_EQ(Describe(plan), "p42: restart (env)\n99 programs unchanged\n");
}

TEST(PlanReload, ProgramsAreFoundByNameWhereverTheyStand) {
  v1::NodeConfig now;
  *now.add_programs() = Program("a");
  *now.add_programs() = Program("b");
  v1::NodeConfig then;
  *then.add_programs() = Program("b");
  *then.add_programs() = Program("a");
  EXPECT_EQ(Describe(PlanReload(now, then)), "2 programs unchanged\n");
}

TEST(PlanReload, EveryKindOfStepIsTold) {
  v1::NodeConfig now;
  now.set_node("web-01");
  *now.add_programs() = Program("web");
  *now.add_programs() = Program("db");
  *now.add_programs() = Program("old");
  now.mutable_programs(2)->set_instances(2);
  *now.add_programs() = Program("same");
  *now.add_programs() = Program("more");
  v1::NodeConfig then = now;
  then.mutable_programs()->DeleteSubrange(2, 1);
  then.mutable_programs(0)->add_command("-v");
  then.mutable_programs(0)->add_env("A=1");
  then.mutable_programs(1)->mutable_grace()->set_seconds(9);
  then.mutable_programs(3)->set_instances(4);
  *then.add_programs() = Program("new");
  v1::ProgramConfig* fresh = then.add_programs();
  *fresh = Program("crowd");
  fresh->set_instances(3);
  then.mutable_brakes()->set_burst(5);
  then.mutable_grace()->set_seconds(3);
  then.add_protected_("postgres");

  const ReloadPlan plan = PlanReload(now, then);
  EXPECT_EQ(Describe(plan),
            "web: restart (command, env)\n"
            "db: live (grace)\n"
            "more: live (instances: 1 to 4)\n"
            "new: added\n"
            "crowd: added, 3 instances\n"
            "old: removed, is stopped, 2 instances\n"
            "1 program unchanged\n"
            "the node itself: needs a restart of the guardian (grace, protected, brakes)\n");
  EXPECT_THAT(plan.node_keys, ElementsAre("grace", "protected", "brakes"));
  ASSERT_EQ(plan.steps.size(), 7U);
  EXPECT_EQ(plan.steps[3].program, "more");
  EXPECT_EQ(plan.steps[3].instances_before, 1);
  EXPECT_EQ(plan.steps[3].instances_after, 4);
  EXPECT_EQ(plan.steps[6].what, What::kRemoved);
  EXPECT_EQ(plan.steps[6].instances_before, 2);
  EXPECT_EQ(plan.steps[6].instances_after, 0);
}

TEST(PlanReload, WhatOfTheNodeIsLiveNeedsNoRestart) {
  const v1::NodeConfig now;
  v1::NodeConfig then;
  then.set_watch_file(true);
  EXPECT_EQ(Describe(PlanReload(now, then)), "the node itself: live (watch_file)\n");
}

TEST(PlanReload, WithoutADifferenceNothingChanges) {
  v1::NodeConfig config;
  EXPECT_EQ(Describe(PlanReload(config, config)), "nothing changes\n");
  v1::NodeConfig empty_sections = config;
  empty_sections.mutable_brakes()->mutable_common_cause();
  EXPECT_THAT(PlanReload(config, empty_sections).node_keys, IsEmpty());
}

TEST(PlanReload, EveryKeyOfTheNodeIsSeen) {
  const Descriptor& schema = *v1::NodeConfig::descriptor();
  for (const std::string& key : AllKeys(schema)) {
    const std::string top = key.substr(0, key.find('.'));
    if (top == "programs") continue;
    const v1::NodeConfig now;
    v1::NodeConfig then;
    if (top == "rules") {
      then.add_rules()->set_name("x");
    } else {
      SetKey(&then, key);
    }
    const ReloadPlan plan = PlanReload(now, then);
    const bool live = top == "watch_file";
    EXPECT_THAT(live ? plan.live_node_keys : plan.node_keys, ElementsAre(top)) << key;
    EXPECT_THAT(live ? plan.node_keys : plan.live_node_keys, IsEmpty()) << key;
  }
  v1::NodeConfig now;
  now.add_rules()->set_name("x");
  v1::NodeConfig then = now;
  then.mutable_rules(0)->set_mode("observe");
  EXPECT_THAT(PlanReload(now, then).node_keys, ElementsAre("rules"));
}

}  // namespace
}  // namespace procctl::node
