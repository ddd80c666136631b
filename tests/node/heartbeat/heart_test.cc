// Hearts without any guardian: every call works and guards nothing.
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>

#include "procctl/heartbeat.h"

namespace {

class UnguardedHeart : public testing::Test {
 protected:
  void SetUp() override { setenv("PROCCTL_HEARTBEAT_SOCKET", "", 1); }
  void TearDown() override { unsetenv("PROCCTL_HEARTBEAT_SOCKET"); }

  procctl_heart heart_ = PROCCTL_HEART_INIT;
};

TEST_F(UnguardedHeart, BeatsBeforeItIsOpened) {
  const uint64_t before = procctl_idle_page.beats;
  procctl_beat(&heart_);
  EXPECT_EQ(procctl_idle_page.beats, before + 1);
  EXPECT_FALSE(procctl_is_guarded(&heart_));
}

TEST_F(UnguardedHeart, OpenWithoutGuardianIsENOENTAndTheHeartStaysUsable) {
  EXPECT_EQ(procctl_open(&heart_, "encoder", 5000), -ENOENT);
  EXPECT_STREQ(procctl_open_error(), "");
  EXPECT_FALSE(procctl_is_guarded(&heart_));
  ASSERT_NE(heart_.page, nullptr);
  const uint64_t before = heart_.page->beats;
  procctl_progress(&heart_, 7);
  EXPECT_EQ(heart_.page->beats, before + 1);
  procctl_close(&heart_);
}

TEST_F(UnguardedHeart, TwoThatFailedToOpenBeatOnDifferentCacheLines) {
  procctl_heart other = PROCCTL_HEART_INIT;
  ASSERT_LT(procctl_open(&heart_, "one", 5000), 0);
  ASSERT_LT(procctl_open(&other, "two", 5000), 0);
  const auto distance =
      reinterpret_cast<intptr_t>(heart_.page) - reinterpret_cast<intptr_t>(other.page);
  EXPECT_GE(std::abs(distance), 64);
}

TEST_F(UnguardedHeart, SocketThatNobodyListensAtIsENOENT) {
  setenv("PROCCTL_HEARTBEAT_SOCKET", "/nonexistent/heartbeat.sock", 1);
  EXPECT_EQ(procctl_open(&heart_, "encoder", 5000), -ENOENT);
}

TEST_F(UnguardedHeart, SocketPathTooLongForTheKernelIsRefused) {
  setenv("PROCCTL_HEARTBEAT_SOCKET", ("/" + std::string(200, 'x')).c_str(), 1);
  EXPECT_EQ(procctl_open(&heart_, "encoder", 5000), -ENAMETOOLONG);
}

TEST_F(UnguardedHeart, BadArgumentsAreEINVALAndSayWhy) {
  EXPECT_EQ(procctl_open(&heart_, "", 5000), -EINVAL);
  EXPECT_NE(std::string(procctl_open_error()).find("name is empty"), std::string::npos);
  EXPECT_EQ(procctl_open(&heart_, nullptr, 5000), -EINVAL);
  EXPECT_EQ(procctl_open(&heart_, std::string(64, 'n').c_str(), 5000), -EINVAL);
  EXPECT_NE(std::string(procctl_open_error()).find("too long"), std::string::npos);
  EXPECT_EQ(procctl_open(&heart_, "encoder", 0), -EINVAL);
  EXPECT_NE(std::string(procctl_open_error()).find("timeout"), std::string::npos);
  EXPECT_EQ(procctl_open(nullptr, "encoder", 5000), -EINVAL);
}

TEST_F(UnguardedHeart, NameOfSixtyThreeBytesIsNotTooLong) {
  EXPECT_EQ(procctl_open(&heart_, std::string(63, 'n').c_str(), 5000), -ENOENT);
}

TEST_F(UnguardedHeart, OpenLeavesErrnoAlone) {
  errno = 77;
  EXPECT_EQ(procctl_open(&heart_, "encoder", 5000), -ENOENT);
  EXPECT_EQ(errno, 77);
}

TEST_F(UnguardedHeart, ZeroedHeartIsNotOpenAlthoughItsDescriptorLooksLikeOne) {
  procctl_heart zeroed;
  std::memset(&zeroed, 0, sizeof(zeroed));
  EXPECT_FALSE(procctl_is_guarded(&zeroed));
  procctl_close(&zeroed);
  EXPECT_EQ(procctl_open(&zeroed, "encoder", 5000), -ENOENT);
  procctl_beat(&zeroed);
}

TEST_F(UnguardedHeart, NoteIsCutAtTheLastByteThatFits) {
  procctl_page page = {};
  heart_.page = &page;
  procctl_note(&heart_, std::string(127, 'a').c_str());
  EXPECT_EQ(std::string(page.note), std::string(127, 'a'));
  procctl_note(&heart_, std::string(500, 'b').c_str());
  EXPECT_EQ(std::string(page.note), std::string(127, 'b'));
}

TEST_F(UnguardedHeart, ShorterNoteReplacesALongerOneAndNullClearsIt) {
  procctl_page page = {};
  heart_.page = &page;
  procctl_note(&heart_, "encoding frame 1000");
  procctl_note(&heart_, "idle");
  EXPECT_STREQ(page.note, "idle");
  procctl_note(&heart_, nullptr);
  EXPECT_STREQ(page.note, "");
  procctl_note(nullptr, "nobody");
}

TEST_F(UnguardedHeart, PhaseIsCutAtTheLastByteThatFitsAndNullClearsIt) {
  procctl_page page = {};
  heart_.page = &page;
  procctl_phase(&heart_, std::string(31, 'a').c_str());
  EXPECT_EQ(std::string(page.phase), std::string(31, 'a'));
  procctl_phase(&heart_, std::string(500, 'b').c_str());
  EXPECT_EQ(std::string(page.phase), std::string(31, 'b'));
  procctl_phase(&heart_, nullptr);
  EXPECT_STREQ(page.phase, "");
  EXPECT_STREQ(page.note, "");
}

TEST_F(UnguardedHeart, SpeaksIntoAPageOfItsOwn) {
  procctl_heart other = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open(&heart_, "one", 5000), -ENOENT);
  ASSERT_EQ(procctl_open(&other, "two", 5000), -ENOENT);
  procctl_busy(&heart_, 7000);
  procctl_ready(&heart_);
  EXPECT_EQ(heart_.page->flags, PROCCTL_PAGE_BUSY | PROCCTL_PAGE_READY);
  EXPECT_EQ(other.page->flags, 0U);
  procctl_close(&heart_);
  EXPECT_EQ(heart_.page, &procctl_idle_page);
  procctl_close(&other);
}

TEST_F(UnguardedHeart, OpenedAgainItStartsClean) {
  ASSERT_EQ(procctl_open(&heart_, "encoder", 5000), -ENOENT);
  procctl_failed(&heart_, "first life");
  ASSERT_EQ(procctl_open(&heart_, "encoder", 5000), -ENOENT);
  EXPECT_EQ(heart_.page->flags, 0U);
  EXPECT_STREQ(heart_.page->note, "");
  procctl_ready(&heart_);
  EXPECT_EQ(heart_.page->flags, PROCCTL_PAGE_READY);
  procctl_close(&heart_);
}

TEST_F(UnguardedHeart, OptionsThatAreNoneAreEINVALAndSayWhy) {
  EXPECT_EQ(procctl_open_with(&heart_, "encoder", nullptr), -EINVAL);
  EXPECT_NE(std::string(procctl_open_error()).find("options is NULL"), std::string::npos);
  procctl_options options = {};
  options.progress_timeout_ms = 5000;
  EXPECT_EQ(procctl_open_with(&heart_, "encoder", &options), -EINVAL);
  EXPECT_NE(std::string(procctl_open_error()).find("timeout is 0"), std::string::npos);
  options.timeout_ms = 5000;
  EXPECT_EQ(procctl_open_with(&heart_, "encoder", &options), -ENOENT);
  options.reserved[4] = 1;
  EXPECT_EQ(procctl_open_with(&heart_, "encoder", &options), -EINVAL);
  EXPECT_NE(std::string(procctl_open_error()).find("reserved"), std::string::npos);
  procctl_close(&heart_);
}

TEST_F(UnguardedHeart, NothingIsSaidThroughANullOrZeroedHeart) {
  procctl_heart zeroed;
  std::memset(&zeroed, 0, sizeof(zeroed));
  for (procctl_heart* heart : {static_cast<procctl_heart*>(nullptr), &zeroed}) {
    procctl_note(heart, "nobody");
    procctl_phase(heart, "nowhere");
    procctl_ready(heart);
    procctl_busy(heart, 1000);
    procctl_busy_done(heart);
    procctl_failed(heart, "nothing");
    EXPECT_EQ(procctl_tend(heart), 0);
    procctl_close(heart);
  }
  EXPECT_EQ(zeroed.page, nullptr);
}

TEST_F(UnguardedHeart, ThatWasNeverOpenedMaySpeakAndIsNotTended) {
  procctl_ready(&heart_);
  procctl_busy(&heart_, 1000);
  procctl_busy_done(&heart_);
  procctl_phase(&heart_, "nowhere");
  procctl_failed(&heart_, "nobody listens");
  // A program linked against an older library has something else of its own in this place.
  EXPECT_EQ(procctl_idle_page.busy_ms, 0U);
  EXPECT_EQ(procctl_idle_page.busy_count, 0U);
  EXPECT_STREQ(procctl_idle_page.phase, "");
  EXPECT_EQ(procctl_tend(&heart_), 0);
  procctl_close(&heart_);
}

TEST_F(UnguardedHeart, CppHeartRefusesOptionsThatDoNotFit) {
  using std::chrono::milliseconds;
  const milliseconds too_long(int64_t{UINT32_MAX} + 1);
  procctl::Heart heart;
  EXPECT_EQ(heart.Open("encoder", procctl::Options{.timeout = milliseconds(0)}), -EINVAL);
  EXPECT_EQ(heart.Open("encoder", procctl::Options{.timeout = milliseconds(1),
                                                   .progress_timeout = milliseconds(-1)}),
            -EINVAL);
  EXPECT_EQ(
      heart.Open("encoder", procctl::Options{.timeout = milliseconds(1), .start_grace = too_long}),
      -EINVAL);
  EXPECT_EQ(heart.Open("encoder", procctl::Options{.timeout = milliseconds(1)}), -ENOENT);
  EXPECT_EQ(heart.Tend(), -ENOENT);
}

TEST_F(UnguardedHeart, CppHeartRefusesTimeoutsThatDoNotFit) {
  procctl::Heart heart;
  EXPECT_EQ(heart.Open("encoder", std::chrono::milliseconds(-1)), -EINVAL);
  EXPECT_EQ(heart.Open("encoder", std::chrono::milliseconds(0)), -EINVAL);
  EXPECT_EQ(heart.Open("encoder", std::chrono::milliseconds(int64_t{UINT32_MAX} + 1)), -EINVAL);
  EXPECT_EQ(heart.Open("encoder", std::chrono::milliseconds(UINT32_MAX)), -ENOENT);
  EXPECT_FALSE(heart.guarded());
}

}  // namespace
