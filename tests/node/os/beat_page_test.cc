#include "node/os/beat_page.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <optional>

namespace procctl::node {
namespace {

class BeatPageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto page = BeatPage::Create(&fd_);
    ASSERT_TRUE(page.ok()) << page.status();
    page_.emplace(*std::move(page));
    client_ = static_cast<procctl_page*>(
        mmap(nullptr, PROCCTL_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0));
    ASSERT_NE(client_, MAP_FAILED);
  }
  void TearDown() override { munmap(client_, PROCCTL_PAGE_BYTES); }

  UniqueFd fd_;
  std::optional<BeatPage> page_;
  procctl_page* client_ = nullptr;
};

TEST_F(BeatPageTest, ShowsWhatTheClientWrites) {
  EXPECT_EQ(client_->magic, PROCCTL_PAGE_MAGIC);
  client_->beats = 7;
  client_->flags = PROCCTL_PAGE_CLOSED;
  std::strcpy(client_->note, "loading");
  EXPECT_EQ(page_->beats(), 7u);
  EXPECT_EQ(page_->flags(), PROCCTL_PAGE_CLOSED);
  EXPECT_EQ(page_->note(), "loading");
}

TEST_F(BeatPageTest, ANoteWithoutAnEndEndsWithThePage) {
  std::memset(client_->note, 'x', PROCCTL_NOTE_BYTES);
  EXPECT_EQ(page_->note(), std::string(PROCCTL_NOTE_BYTES, 'x'));
}

TEST_F(BeatPageTest, NoClientCanMakeTheGuardiansReadFault) {
  EXPECT_NE(ftruncate(fd_.get(), 0), 0);
  EXPECT_NE(ftruncate(fd_.get(), 8192), 0);
  // A hole is zeroes, not a fault.
  (void)fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PROCCTL_PAGE_BYTES);
  (void)madvise(client_, PROCCTL_PAGE_BYTES, MADV_REMOVE);
  EXPECT_EQ(page_->beats(), 0u);
}

TEST_F(BeatPageTest, APhaseEndsAsANoteDoes) {
  EXPECT_EQ(page_->phase(), "");
  std::strcpy(client_->phase, "encode");
  EXPECT_EQ(page_->phase(), "encode");
  std::memset(client_->phase, 'p', PROCCTL_PHASE_BYTES);
  EXPECT_EQ(page_->phase(), std::string(PROCCTL_PHASE_BYTES, 'p'));
}

// A page that is gone for the guardian that made it.
class ReopenTest : public BeatPageTest {
 protected:
  void SetUp() override {
    BeatPageTest::SetUp();
    id_ = page_->id();
    page_.reset();
  }
  // Made by hand, so that one thing can be wrong with it.
  static UniqueFd Memfd(size_t bytes, int seals, PageId* id) {
    UniqueFd fd(memfd_create(kBeatPageName, MFD_CLOEXEC | MFD_ALLOW_SEALING));
    procctl_page head{};
    head.magic = PROCCTL_PAGE_MAGIC;
    head.version = PROCCTL_PAGE_VERSION;
    struct stat s {};
    EXPECT_EQ(pwrite(fd.get(), &head, sizeof head, 0), static_cast<ssize_t>(sizeof head));
    EXPECT_EQ(ftruncate(fd.get(), static_cast<off_t>(bytes)), 0);
    EXPECT_EQ(fcntl(fd.get(), F_ADD_SEALS, seals), 0);
    EXPECT_EQ(fstat(fd.get(), &s), 0);
    *id = {s.st_dev, s.st_ino};
    return fd;
  }
  UniqueFd Again() { return UniqueFd(dup(fd_.get())); }

  PageId id_;
};

TEST_F(ReopenTest, ShowsTheSamePage) {
  client_->beats = 41;
  UniqueFd read_only(
      open(("/proc/self/fd/" + std::to_string(fd_.get())).c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(read_only);
  auto page = BeatPage::Reopen(std::move(read_only), id_);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->id(), id_);
  EXPECT_EQ(page->beats(), 41u);
  client_->beats = 42;
  EXPECT_EQ(page->page()->beats, 42u);
}

TEST_F(ReopenTest, AnotherPageIsNotTaken) {
  UniqueFd other_fd;
  auto other = BeatPage::Create(&other_fd);
  ASSERT_TRUE(other.ok());
  EXPECT_NE(other->id(), id_);
  EXPECT_TRUE(absl::IsFailedPrecondition(BeatPage::Reopen(std::move(other_fd), id_).status()));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(BeatPage::Reopen(Again(), {id_.dev + 1, id_.ino}).status()));
  EXPECT_TRUE(BeatPage::Reopen(Again(), id_).ok());
}

TEST_F(ReopenTest, APageThatCouldFaultIsNotTaken) {
  PageId id;
  UniqueFd unsealed = Memfd(PROCCTL_PAGE_BYTES, F_SEAL_GROW, &id);
  EXPECT_TRUE(absl::IsFailedPrecondition(BeatPage::Reopen(std::move(unsealed), id).status()));
  UniqueFd sparse = Memfd(PROCCTL_PAGE_BYTES / 2, F_SEAL_SHRINK, &id);
  EXPECT_TRUE(absl::IsFailedPrecondition(BeatPage::Reopen(std::move(sparse), id).status()));
  UniqueFd good = Memfd(PROCCTL_PAGE_BYTES, F_SEAL_SHRINK, &id);
  EXPECT_TRUE(BeatPage::Reopen(std::move(good), id).ok());
}

TEST_F(ReopenTest, WhatIsNoMemfdIsNotTaken) {
  char name[] = "/tmp/procctl-page-XXXXXX";
  UniqueFd file(mkstemp(name));
  ASSERT_TRUE(file);
  unlink(name);
  ASSERT_EQ(ftruncate(file.get(), PROCCTL_PAGE_BYTES), 0);
  struct stat s {};
  ASSERT_EQ(fstat(file.get(), &s), 0);
  EXPECT_TRUE(
      absl::IsFailedPrecondition(BeatPage::Reopen(std::move(file), {s.st_dev, s.st_ino}).status()));
  EXPECT_FALSE(BeatPage::Reopen(UniqueFd(), id_).ok());
}

TEST_F(ReopenTest, AnOverwrittenPageIsNotTaken) {
  client_->magic ^= 1;
  EXPECT_TRUE(absl::IsFailedPrecondition(BeatPage::Reopen(Again(), id_).status()));
  client_->magic ^= 1;
  client_->version++;
  EXPECT_TRUE(absl::IsFailedPrecondition(BeatPage::Reopen(Again(), id_).status()));
  client_->version--;
  EXPECT_TRUE(BeatPage::Reopen(Again(), id_).ok());
}

}  // namespace
}  // namespace procctl::node
