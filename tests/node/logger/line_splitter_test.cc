#include "node/logger/line_splitter.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace procctl::logger {
namespace {

using node::MonoTime;
using std::chrono::seconds;

TEST(LineSplitter, GivesWholeLinesAtOnceAndHoldsTheRest) {
  LineSplitter splitter;
  EXPECT_EQ(splitter.Take("one\ntwo\nthr", MonoTime()), "one\ntwo\n");
  EXPECT_EQ(splitter.Take("ee", MonoTime()), "");
  EXPECT_EQ(splitter.Take("\n", MonoTime()), "three\n");
  EXPECT_FALSE(splitter.held_since());
}

TEST(LineSplitter, ALineWaitsSinceItsFirstByte) {
  LineSplitter splitter;
  const MonoTime begin = MonoTime() + seconds(5);
  (void)splitter.Take("one\ntw", begin);
  (void)splitter.Take("o", begin + seconds(1));
  EXPECT_EQ(splitter.held_since(), begin);
  // A new line, a new wait.
  EXPECT_EQ(splitter.Take("\nthr", begin + seconds(2)), "two\n");
  EXPECT_EQ(splitter.held_since(), begin + seconds(2));
  EXPECT_EQ(splitter.Flush(), "thr");
  EXPECT_FALSE(splitter.held_since());
}

TEST(LineSplitter, HoldsNoMoreThanItsLimit) {
  LineSplitter splitter;
  const std::string most(LineSplitter::kMostHeld, 'x');
  EXPECT_EQ(splitter.Take(most, MonoTime()), "");
  EXPECT_EQ(splitter.Take("y", MonoTime()), most + "y");
  EXPECT_FALSE(splitter.held_since());
}

TEST(LineSplitter, LosesNothingHoweverTheBytesAreCut) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  LineSplitter splitter;
  std::string in, out;
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random() % 50, 'a');
    for (char& c : bytes) c = random() % 9 == 0 ? '\n' : 'b';
    in += bytes;
    const std::string got = splitter.Take(bytes, MonoTime());
    EXPECT_TRUE(got.empty() || got.back() == '\n');
    out += got;
    if (random() % 20 == 0) out += splitter.Flush();
  }
  EXPECT_EQ(out + splitter.Flush(), in);
}

}  // namespace
}  // namespace procctl::logger
