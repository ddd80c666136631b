#include "proto/support/filter.h"

#include <gtest/gtest.h>

#include <optional>
#include <utility>

#include "procctl/v1/event.pb.h"
#include "proto/support/filter_schemas.h"

namespace procctl {
namespace {

struct Row {
  std::string node = "web-01";
  std::string name = "encoder";
  std::string label = "encoder.2";
  v1::SlotState state = v1::SLOT_STATE_HUNG;
  int pid = 4242;
  v1::Door door = v1::DOOR_NATIVE;
  std::string program = {};
  NumberRange age = std::int64_t{90'000'000'000};
  NumberRange memory = {};  // not known

  std::string_view Text(int key) const {
    switch (key) {
      case kSlotKeyNode:
        return node;
      case kSlotKeyName:
        return name;
      case kSlotKeyProgram:
        return program;
      default:
        return label;
    }
  }
  NumberRange Number(int key) const {
    return key == kSlotKeyPid ? pid : key == kSlotKeyAge ? age : memory;
  }
  int Choice(int key) const {
    return key == kSlotKeyDoor ? static_cast<int>(door) : static_cast<int>(state);
  }
};

bool Holds(std::string_view text, const Row& row = {}) {
  auto filter = Filter::Parse(text, SlotFilterSchema());
  EXPECT_TRUE(filter.ok()) << filter.status();
  return filter.ok() && filter->Matches(row);
}

std::string Refusal(std::string_view text) {
  const auto filter = Filter::Parse(text, SlotFilterSchema());
  EXPECT_FALSE(filter.ok()) << text;
  return std::string(filter.status().message());
}

TEST(Filter, EmptyMeansEverything) {
  EXPECT_TRUE(Holds(""));
  EXPECT_TRUE(Holds("  \t"));
}

TEST(Filter, AllTermsMustHold) {
  EXPECT_TRUE(Holds("node=web-01 state=hung"));
  EXPECT_FALSE(Holds("node=web-01 state=alive"));
}

TEST(Filter, AListMeansAnyOfThem) {
  EXPECT_TRUE(Holds("state=alive,hung"));
  EXPECT_TRUE(Holds("pid=1,4242"));
  EXPECT_TRUE(Holds("node=db-*,web-*"));
  EXPECT_FALSE(Holds("node=db-*,mail"));
}

TEST(Filter, NotEqualMeansNoneOfThem) {
  EXPECT_FALSE(Holds("state!=alive,hung"));
  EXPECT_TRUE(Holds("state!=alive,quiet"));
  EXPECT_FALSE(Holds("name!=enc*"));
}

TEST(Filter, ChoicesMayBeWrittenInCapitalsAndWithWildCards) {
  EXPECT_TRUE(Holds("state=HUNG"));
  EXPECT_TRUE(Holds("state=*_sent,hung"));
  EXPECT_FALSE(Holds("state=*_sent"));
}

TEST(Filter, AChoiceUnknownToThisVersionEqualsNothing) {
  Row row;
  row.state = static_cast<v1::SlotState>(99);
  EXPECT_FALSE(Holds("state=*", row));
  EXPECT_TRUE(Holds("state!=alive", row));
}

TEST(Filter, OrBindsTighterThanAndAndThanStandingSideBySide) {
  EXPECT_TRUE(Holds("node=web-01 AND state=hung"));
  EXPECT_FALSE(Holds("node=web-01 AND state=alive"));
  EXPECT_TRUE(Holds("state=alive OR state=hung"));
  // (a OR b) AND c, and never a OR (b AND c).
  EXPECT_FALSE(Holds("node=web-01 OR node=x AND state=alive"));
  EXPECT_FALSE(Holds("node=web-01 OR node=x state=alive"));
  EXPECT_TRUE(Holds("node=web-01 OR (node=x state=alive)"));
  EXPECT_TRUE(Holds("state=alive OR state=hung node=x OR name=encoder AND pid=4242"));
}

TEST(Filter, NotAndMinusDenyWhatFollows) {
  EXPECT_FALSE(Holds("NOT state=hung"));
  EXPECT_TRUE(Holds("NOT state=alive"));
  EXPECT_TRUE(Holds("-state=alive -node=x"));
  EXPECT_FALSE(Holds("-(state=hung node=web-01)"));
  EXPECT_TRUE(Holds("NOT (state=hung AND node=x)"));
  EXPECT_TRUE(Holds("NOT state!=hung"));
  EXPECT_TRUE(Holds("NOT (NOT state=hung)"));
  EXPECT_TRUE(Holds("NOT state=alive OR node=x"));
}

TEST(Filter, QuotedValuesAreThemselves) {
  Row row;
  row.name = "my *worker\\, \"x\"";
  EXPECT_TRUE(Holds(R"(name="my *worker\\, \"x\"")", row));
  EXPECT_TRUE(Holds(R"((name="a","my *worker\\, \"x\""))", row));
  EXPECT_FALSE(Holds(R"(name="my *")", row));
  EXPECT_TRUE(Holds("program=\"\"")) << "nothing is a text too";
  EXPECT_FALSE(Holds("program!=\"\""));
  EXPECT_TRUE(Holds("state=\"hung\""));
}

TEST(Filter, AColonMeansContainsForTexts) {
  EXPECT_TRUE(Holds("name:cod"));
  EXPECT_TRUE(Holds("name:e?c*d,x"));
  EXPECT_TRUE(Holds("name:\"cod\""));
  EXPECT_FALSE(Holds("name:web"));
  EXPECT_TRUE(Holds("state:hung pid:4242"));
}

TEST(Filter, NumbersDurationsAndSizesHaveAnOrder) {
  EXPECT_TRUE(Holds("pid>4241 pid<4243 pid>=4242 pid<=4242"));
  EXPECT_FALSE(Holds("pid>4242"));
  EXPECT_FALSE(Holds("pid<4242"));
  EXPECT_TRUE(Holds("age=90s age>1m age<2m age<=1m30s"));
  Row row;
  row.memory = std::int64_t{500} << 20;
  EXPECT_TRUE(Holds("memory>=500M memory<1G", row));
  EXPECT_FALSE(Holds("memory>500M", row));
}

TEST(Filter, BlanksMayStandAroundAnOperator) {
  EXPECT_TRUE(Holds("node = web-01 AND pid >= 4242"));
  EXPECT_TRUE(Holds("( node =web-01 )"));
}

TEST(Filter, OlderFiltersKeepTheirWordsWhole) {
  Row row;
  row.name = "(sd-pam)";
  row.label = "a=b<c>:d!e";
  EXPECT_TRUE(Holds("name=(sd-pam) slot=a=b<c>:d!e", row));
  EXPECT_TRUE(Holds("(name=(sd-pam))", row));
  row.name = ":-)";
  EXPECT_TRUE(Holds("name=:-)", row));
  row.name = "AND";
  EXPECT_TRUE(Holds("name=AND slot=*", row));
}

TEST(Filter, OfWhatIsNotKnownNeitherAComparisonNorItsOppositeIsTrue) {
  EXPECT_FALSE(Holds("memory>1G"));
  EXPECT_FALSE(Holds("NOT memory>1G"));
  EXPECT_FALSE(Holds("memory!=1G"));
  EXPECT_TRUE(Holds("memory>1G OR state=hung"));
  EXPECT_FALSE(Holds("memory>1G AND state=hung"));
  EXPECT_TRUE(Holds("NOT (memory>1G AND state=alive)"));
  const auto judge = [](std::string_view text) {
    return Filter::Parse(text, SlotFilterSchema())->Judge(Row());
  };
  EXPECT_EQ(judge("memory>1G state=hung"), Match::kMaybe);
  EXPECT_EQ(judge("memory>1G state=alive"), Match::kNo);
  EXPECT_EQ(judge("memory>1G OR state=hung"), Match::kYes);
}

TEST(Filter, ANumberKnownWithinBoundsIsComparedWithThem) {
  Row row;
  row.age = NumberRange(0, 2'000'000'000);
  EXPECT_TRUE(Holds("age<5s", row));
  EXPECT_TRUE(Holds("NOT age>5s", row));
  EXPECT_TRUE(Holds("age<=2s age>=0s", row));
  EXPECT_FALSE(Holds("age<1s", row));
  EXPECT_FALSE(Holds("age>=1s", row));
  EXPECT_FALSE(Holds("age=1s", row));
  EXPECT_TRUE(Holds("age!=3s", row));
}

TEST(Filter, ANodeIsJudgedForAllItsRows) {
  struct Node {
    std::optional<std::string_view> Text(int key) const {
      return key == kSlotKeyNode ? std::optional<std::string_view>("web-01") : std::nullopt;
    }
    bool MayEqual(int key, const std::string& text) const {
      return key != kSlotKeyName || text == "encoder";
    }
    bool MayFit(int key, const Glob& glob) const {
      return key != kSlotKeyName || glob.Matches("encoder");
    }
    NumberRange Number(int) const { return {}; }
    ChoiceSet Choice(int key) const {
      if (key != kSlotKeyState) return ChoiceSet().set();
      return ChoiceSet().set(v1::SLOT_STATE_ALIVE).set(v1::SLOT_STATE_QUIET);
    }
  };
  const auto judge = [](std::string_view text) {
    return Filter::Parse(text, SlotFilterSchema())->Judge(Node());
  };
  EXPECT_EQ(judge("node=web-*"), Match::kYes);
  EXPECT_EQ(judge("node=db-*"), Match::kNo);
  EXPECT_EQ(judge("state=hung"), Match::kNo);
  EXPECT_EQ(judge("state!=hung"), Match::kYes);
  EXPECT_EQ(judge("state=alive"), Match::kMaybe);
  EXPECT_EQ(judge("state=alive,quiet"), Match::kYes);
  EXPECT_EQ(judge("name=encoder"), Match::kMaybe);
  EXPECT_EQ(judge("name=other"), Match::kNo);
  EXPECT_EQ(judge("name=o*,x"), Match::kNo);
  EXPECT_EQ(judge("name!=other"), Match::kYes);
  EXPECT_EQ(judge("name!=encoder"), Match::kMaybe);
  EXPECT_EQ(judge("slot=x"), Match::kMaybe);
  EXPECT_EQ(judge("node=db-* OR state=hung OR pid=7"), Match::kMaybe);
}

TEST(Filter, WhatEveryRowFulfilsIsKnownAsSuch) {
  for (const char* text : {"",
                           "  ",
                           "name=*",
                           "name=a,*",
                           "name:*",
                           "node=* name=*",
                           "NOT name!=*",
                           "-(-(slot=*))",
                           "pid>0",
                           "pid>1",
                           "pid>=2",
                           "age>=0s",
                           "memory>=0",
                           "uid>=0",
                           "pid!=1",
                           "state=*",
                           "state!=hung OR state=hung",
                           "name=a OR NOT name=a",
                           "name=* OR pid=7",
                           "state=alive,quiet,hung,term_sent,kill_sent,unkillable OR "
                           "state=held,stale,starting,no_progress,busy,gave_up",
                           "NOT (name=a AND name!=a)",
                           "(name=a OR pid=7) OR (name!=a OR pid=8)"}) {
    const auto filter = Filter::Parse(text, SlotFilterSchema());
    ASSERT_TRUE(filter.ok()) << text << ": " << filter.status();
    EXPECT_TRUE(filter->MatchesEverything()) << text;
  }
  for (const char* text :
       {"name=a", "name=a*", "name=?*", "name!=*", "NOT name=*", "state!=hung", "pid>2", "age>0s",
        "name=* pid=7", "name=a OR NOT name=b", "state=alive OR name!=a", "program=\"\""}) {
    const auto filter = Filter::Parse(text, SlotFilterSchema());
    ASSERT_TRUE(filter.ok()) << text << ": " << filter.status();
    EXPECT_FALSE(filter->MatchesEverything()) << text;
  }
  EXPECT_TRUE(Filter().MatchesEverything());
}

TEST(Filter, KnowsWhatItAsksFor) {
  const auto filter = Filter::Parse("node=a OR NOT (state=hung -cpu>5)", SlotFilterSchema());
  ASSERT_TRUE(filter.ok());
  EXPECT_TRUE(filter->Uses(kSlotKeyNode));
  EXPECT_TRUE(filter->Uses(kSlotKeyCpu));
  EXPECT_FALSE(filter->Uses(kSlotKeyMemory));
  EXPECT_FALSE(Filter().Uses(kSlotKeyNode));
}

TEST(Filter, AMisspeltKeyIsToldWhichThereAre) {
  EXPECT_EQ(Refusal("state=hung nod=x"),
            "filter, column 12: there is no key \"nod\" here; did you mean node? keys are node, "
            "name, slot, state, pid, door, program, uid, age, silence, cpu, memory\n"
            "  state=hung nod=x\n"
            "             ^");
}

TEST(Filter, AMisspeltStateIsToldWhichThereAre) {
  EXPECT_EQ(Refusal("state=hugn"),
            "filter, column 7: state=hugn: no such state; did you mean hung? it is one of alive, "
            "quiet, hung, term_sent, kill_sent, unkillable, held, stale, starting, no_progress, "
            "busy, gave_up\n"
            "  state=hugn\n"
            "        ^");
}

TEST(Filter, TheCaretStaysRightBehindForeignBytes) {
  EXPECT_EQ(Refusal("name=\xc3\xa4\ty=1"),
            "filter, column 9: there is no key \"y\" here; keys are node, name, slot, state, pid, "
            "door, program, uid, age, silence, cpu, memory\n"
            "  name=\\xc3\\xa4\\x09y=1\n"
            "                   ^");
  const std::string far = Refusal("name=" + std::string(300, 'x') + " y=1 " + std::string(90, 'z'));
  const size_t second = far.find('\n');
  const size_t third = far.find('\n', second + 1);
  EXPECT_EQ(far.substr(third + 1).size() - 1, far.find("y=1", second) - second - 1)
      << "the caret is under the key: " << far;
}

TEST(Filter, FaultsPointAtTheirPlace) {
  const std::pair<const char*, const char*> faults[] = {
      {"web-01", "column 1: \"web-01\" is not KEY=VALUE"},
      {"=x", "column 1: \"=\" is not KEY=VALUE"},
      {"node=", "column 6: there is an empty value; write node=*"},
      {"node= state=hung", "column 6: there is an empty value"},
      {"node=a,", "column 8: there is an empty value"},
      {"node=a,,b", "column 8: there is an empty value"},
      {"node = state=hung", "column 8: a value is missing here"},
      {"node = AND state=hung", "column 8: a value is missing here"},
      {"pid=12x", "column 5: pid: a number is needed"},
      {"pid=99999999999999999999", "column 5: pid: a number is needed"},
      {"age>5", "column 5: age: a duration is needed"},
      {"memory>5X", "column 8: memory: a size is needed"},
      {"name<a", "column 5: name has no order"},
      {"state>=hung", "column 6: state has no order"},
      {"pid>1,2", "column 7: a list of values goes with"},
      {"pid!5", "column 4: this is no operator"},
      {"node=a AND", "column 8: AND needs a term behind it"},
      {"AND node=a", "column 1: AND needs a term before it"},
      {"node=a AND AND node=b", "column 12: AND needs a term before it"},
      {"node=a OR", "column 8: OR needs a term behind it"},
      {"OR node=a", "column 1: OR needs a term before it"},
      {"node=a AND OR node=b", "column 12: OR needs a term before it"},
      {"NOT", "column 1: NOT needs a term behind it"},
      {"- node=a", "column 1: - needs a term behind it"},
      {"NOT NOT node=a", "column 5: what is denied twice"},
      {"node=a and node=b", "column 8: AND is written in capitals"},
      {"(node=a", "column 1: this parenthesis is not closed"},
      {"node=a )", "column 8: this parenthesis closes nothing"},
      {"()", "column 2: there is nothing between"},
      {"name=\"a", "column 6: this quote is not closed"},
      {"name=\"a\"b", "column 9: behind a quoted value"},
  };
  for (const auto& [text, expected] : faults) {
    EXPECT_NE(Refusal(text).find(expected), std::string::npos) << text << ": " << Refusal(text);
  }
}

TEST(Filter, ParenthesesAreBounded) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '(') + "pid=4242" + std::string(depth, ')');
  };
  EXPECT_TRUE(Holds(nested(16)));
  EXPECT_NE(Refusal(nested(17)).find("column 17: parentheses are more than 16 deep"),
            std::string::npos);
}

TEST(Filter, SizeIsBounded) {
  EXPECT_NE(Refusal("name=" + std::string(5000, 'x')).find("4096"), std::string::npos);
  std::string many = "pid=1";
  for (int i = 0; i < 64; ++i) many += ",1";
  EXPECT_NE(Refusal(many).find("at most 64"), std::string::npos);
}

TEST(Filter, FingerprintsOfDifferentFiltersDiffer) {
  EXPECT_NE(Filter::Parse("node=a", SlotFilterSchema())->fingerprint(),
            Filter::Parse("node=b", SlotFilterSchema())->fingerprint());
  EXPECT_EQ(Filter().fingerprint(), 0U);
}

TEST(FilterSchemas, EveryEventKindCanBeFilteredBy) {
  const FilterSchema& schema = EventFilterSchema();
  EXPECT_EQ(schema[kEventKeyKind].choices[v1::EVENT_KIND_VERDICT], "verdict");
  EXPECT_EQ(schema[kEventKeyVerdict].choices[v1::VERDICT_EXITED_ON_TERM], "exited_on_term");
  EXPECT_EQ(schema[kEventKeyCause].choices[v1::CAUSE_OPERATOR], "operator");
  EXPECT_EQ(schema[kEventKeyOrder].name, "order");
  EXPECT_EQ(SlotFilterSchema()[kSlotKeyDoor].choices[v1::DOOR_CLASSIC], "classic");
}

TEST(Filter, NeighboursThatChangedPlacesAreRecognised) {
  const auto slip = Filter::Parse("nmae=x", SlotFilterSchema());
  EXPECT_NE(slip.status().ToString().find("did you mean name?"), std::string::npos)
      << slip.status();
}

}  // namespace
}  // namespace procctl
