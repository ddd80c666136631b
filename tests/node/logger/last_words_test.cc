#include "node/logger/last_words.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "node/os/unique_fd.h"

namespace procctl::logger {
namespace {

class LastWordsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    out_ = node::UniqueFd(ends[0]);
    in_ = node::UniqueFd(ends[1]);
  }
  void Say(std::string_view text) {
    ASSERT_EQ(write(in_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  // As the reader of the FIFO does.
  void Take(size_t most) {
    std::string bytes(most, '\0');
    const ssize_t n = read(out_.get(), bytes.data(), most);
    ASSERT_GT(n, 0);
    words_.Add(std::string_view(bytes).substr(0, static_cast<size_t>(n)));
  }

  node::UniqueFd out_;
  node::UniqueFd in_;
  LastWords words_;
};

TEST_F(LastWordsTest, AreTheLastOfThoseThatWereRead) {
  Say("one ");
  Say("two");
  Take(100);
  EXPECT_EQ(words_.All(), "one two");
  words_.Add(std::string(LastWords::kMost - 3, 'x'));
  EXPECT_EQ(words_.All(), "two" + std::string(LastWords::kMost - 3, 'x'));
  words_.Forget();
  EXPECT_EQ(words_.All(), "");
}

TEST_F(LastWordsTest, ThatWereSeenAheadAreNotAddedAgain) {
  Say("read ");
  Take(5);
  Say("waits");
  words_.Peek(out_.get());
  EXPECT_EQ(words_.All(), "read waits");
  words_.Forget();
  Say("next");
  Take(3);
  EXPECT_EQ(words_.All(), "");
  // Again, while some of the first look are still there.
  words_.Peek(out_.get());
  EXPECT_EQ(words_.All(), "next");
  words_.Forget();
  Say("!");
  Take(100);
  EXPECT_EQ(words_.All(), "!");
}

TEST_F(LastWordsTest, OfAnEmptyFifoAreNone) {
  words_.Peek(out_.get());
  EXPECT_EQ(words_.All(), "");
  Say("one");
  Take(100);
  EXPECT_EQ(words_.All(), "one");
}

TEST_F(LastWordsTest, OfAnotherFifoWereNotSeen) {
  Say("gone");
  words_.Peek(out_.get());
  words_.Forget();
  words_.FifoChanged();
  words_.Add("new");
  EXPECT_EQ(words_.All(), "new");
}

}  // namespace
}  // namespace procctl::logger
