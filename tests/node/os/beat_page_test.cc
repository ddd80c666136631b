#include "node/os/beat_page.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

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

}  // namespace
}  // namespace procctl::node
