#include "cli/program_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using ::testing::HasSubstr;
using testing::ProgramRow;

TEST(ParseProgram, ReadsNodesAndPrograms) {
  EXPECT_EQ(*ParseProgram("web-01/tor"), (ProgramName{"web-01", "tor"}));
  EXPECT_EQ(*ParseProgram("web-01/web@2"), (ProgramName{"web-01", "web@2"}));
  EXPECT_EQ(ParseProgram("web-01/web@2")->ToString(), "web-01/web@2");
  EXPECT_EQ(*ParseProgramOrNode("web-01"), (ProgramName{"web-01", ""}));
  EXPECT_EQ(ParseProgramOrNode("web-01")->ToString(), "web-01");
}

TEST(ParseProgram, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {{"tor", "a node and a program are needed"},
                                                       {"", "a node and a program"},
                                                       {"web-01/", "the program is missing"},
                                                       {"/tor", "the node"},
                                                       {"Web/tor", "the node"},
                                                       {"web-01/to r", "the program is not of"},
                                                       {"web-01/a,b", "the program is not of"},
                                                       {"web-01/*", "the program is not of"}};
  for (const auto& [text, why] : cases) {
    const auto parsed = ParseProgram(text);
    ASSERT_TRUE(absl::IsInvalidArgument(parsed.status())) << text;
    EXPECT_THAT(std::string(parsed.status().message()),
                AllOf(HasSubstr(why), HasSubstr("procctl-cli programs")))
        << text;
  }
  EXPECT_FALSE(ParseProgramOrNode("a b").ok());
  EXPECT_FALSE(ParseProgramOrNode("a/").ok());
}

TEST(IsOf, ANameMeansAllItsInstancesAndNothingElse) {
  const ProgramName web{"web-01", "web"};
  EXPECT_TRUE(IsOf(web, ProgramRow("web-01", "web@1", v1::PROGRAM_STATE_RUNNING)));
  EXPECT_TRUE(IsOf(web, ProgramRow("web-01", "web", v1::PROGRAM_STATE_RUNNING)));
  EXPECT_FALSE(IsOf(web, ProgramRow("web-01", "web2", v1::PROGRAM_STATE_RUNNING)));
  EXPECT_FALSE(IsOf(web, ProgramRow("web-02", "web@1", v1::PROGRAM_STATE_RUNNING)));
  EXPECT_FALSE(IsOf({"web-01", "web@1"}, "web-01", "web@10"));
  EXPECT_TRUE(IsOf({"web-01", ""}, "web-01", "anything"));
}

TEST(FilterFor, HoldsAllThatIsMeant) {
  EXPECT_EQ(FilterFor({ProgramName{"web-01", "web"}}), "node=web-01 program=web,web@*");
  EXPECT_EQ(FilterFor({ProgramName{"web-01", "web@2"}}), "node=web-01 program=web@2");
  EXPECT_EQ(FilterFor({ProgramName{"a", ""}, ProgramName{"b", "x"}}), "node=a,b");
  EXPECT_EQ(FilterFor(std::vector<ProgramName>{}), "");
  std::vector<ProgramName> many;
  for (int i = 0; i < 100; ++i) many.push_back({"n" + std::to_string(i), "p"});
  EXPECT_EQ(FilterFor(many), "");
}

}  // namespace
}  // namespace procctl::cli
