// Plans that once failed, or that show one rule each: all must hold.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/sim/make_plan.h"
#include "tests/sim/plan.h"
#include "tests/sim/shrink.h"
#include "tests/sim/world.h"

namespace procctl::sim {
namespace {

std::vector<std::string> Cases() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(PROCCTL_SIM_CASES))
    names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

class Case : public testing::TestWithParam<std::string> {};

TEST_P(Case, HoldsEveryInvariant) {
  std::ifstream file(std::string(PROCCTL_SIM_CASES) + "/" + GetParam() + ".txt");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::string error;
  const std::optional<Plan> plan = PlanFromText(text, &error);
  ASSERT_TRUE(plan) << error;
  EXPECT_EQ(RunPlan(*plan).violation, "");
}

INSTANTIATE_TEST_SUITE_P(Sim, Case, testing::ValuesIn(Cases()),
                         [](const auto& test) { return test.param; });

TEST(Plan, ItsTextIsTheWholePlan) {
  const Plan plan = MakePlan(7);
  std::string error;
  const std::optional<Plan> again = PlanFromText(ToText(plan), &error);
  ASSERT_TRUE(again) << error;
  EXPECT_EQ(ToText(*again), ToText(plan));
}

TEST(Plan, WhatIsNoStepIsRefusedWithItsLine) {
  std::string error;
  EXPECT_FALSE(PlanFromText("seed 1\n0 spwan pid=1\n", &error));
  EXPECT_EQ(error, "line 2 is no step: 0 spwan pid=1");
  EXPECT_FALSE(PlanFromText("0 stop pod=1\n", &error));
  EXPECT_FALSE(PlanFromText("settings grace=x\n", &error));
}

TEST(World, TheSameSeedHasTheSameOutcome) {
  const Outcome one = RunPlan(MakePlan(11));
  const Outcome two = RunPlan(MakePlan(11));
  EXPECT_EQ(one.scans, two.scans);
  EXPECT_EQ(one.crashes, two.crashes);
  EXPECT_EQ(one.violation, two.violation);
}

TEST(Shrinking, LeavesOnlyTheStepsThatMatter) {
  const auto fails = [](const Plan& plan) {
    return std::count_if(plan.steps.begin(), plan.steps.end(),
                         [](const Step& step) { return step.verb == Verb::kSpawn; }) >= 2;
  };
  const Plan whole = MakePlan(3);
  ASSERT_TRUE(fails(whole));
  EXPECT_EQ(Shrink(whole, fails).steps.size(), 2U);
}

}  // namespace
}  // namespace procctl::sim
