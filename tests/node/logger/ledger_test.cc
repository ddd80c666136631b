// What one logger leaves to the next.
#include "node/logger/ledger.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/node/logger/node_side.h"

namespace procctl::logger {
namespace {

class LedgerTest : public ::testing::Test {
 protected:
  std::string path() const { return folder_ / "ledger"; }
  // As a logger that is started does; the one before may have been killed.
  std::shared_ptr<LedgerBook> Open() {
    auto book = LedgerBook::Open(path());
    EXPECT_TRUE(book.ok()) << book.status();
    return book.ok() ? *book : nullptr;
  }
  static std::shared_ptr<Ledger> Find(const std::shared_ptr<LedgerBook>& book,
                                      const std::string& name, int64_t died) {
    int64_t found = -1;
    auto ledger = book->Find(name, &found);
    EXPECT_TRUE(ledger.ok()) << ledger.status();
    EXPECT_EQ(found, died) << name;
    return ledger.ok() ? *ledger : nullptr;
  }

  Folder folder_;
};

TEST_F(LedgerTest, TheNextKnowsWhatWasTakenAndNotSettled) {
  const auto killed = Open();
  const auto web = Find(killed, "web", 0);
  const auto db = Find(killed, "db", 0);
  web->Take(100);
  web->Settle(60);
  db->Take(7);
  db->Settle(7);
  const auto next = Open();
  const auto again = Find(next, "web", 40);
  (void)Find(next, "db", 0);
  (void)Find(next, "other", 0);
  again->Settle(40);
  (void)Find(Open(), "web", 0);
}

TEST_F(LedgerTest, OneThatEndsInGoodOrderLeavesItAsWell) {
  {
    const auto book = Open();
    Find(book, "web", 0)->Take(5);
  }
  (void)Find(Open(), "web", 5);
}

TEST_F(LedgerTest, WhatIsWrittenForOneThatLeftIsNoLossToTheNextOfItsName) {
  const auto book = Open();
  auto left = Find(book, "web", 0);
  left->Take(10);
  left->Leave();
  const auto web = Find(book, "web", 0);
  web->Take(3);
  // The writer comes to it only now.
  left->Settle(10);
  (void)Find(Open(), "web", 3);
  // Its row is somebody else's then.
  left.reset();
  const auto size = std::filesystem::file_size(path());
  (void)Find(book, "other", 0);
  EXPECT_EQ(std::filesystem::file_size(path()), size);
  (void)Find(Open(), "web", 3);
}

TEST_F(LedgerTest, ThoseWhoLeftBeforeAKillAreForgotten) {
  const auto killed = Open();
  const auto left = Find(killed, "web", 0);
  left->Take(10);
  left->Leave();
  const auto next = Open();
  (void)Find(next, "web", 0);
  EXPECT_EQ(std::filesystem::file_size(path()), sizeof(Ledger::Row));
}

TEST_F(LedgerTest, AThousandProgramsAreAFewPages) {
  const auto book = Open();
  std::vector<std::shared_ptr<Ledger>> ledgers;
  for (int i = 0; i < 1000; ++i) {
    ledgers.push_back(Find(book, "web@" + std::to_string(i), 0));
    ledgers.back()->Take(static_cast<size_t>(i));
  }
  EXPECT_LE(std::filesystem::file_size(path()), 24 * 1024U);
  const auto next = Open();
  for (int i = 999; i >= 0; --i) (void)Find(next, "web@" + std::to_string(i), i);
}

TEST_F(LedgerTest, NonsenseInItIsNoLoss) {
  const auto book = Open();
  Find(book, "web", 0)->Settle(5);
  (void)Find(Open(), "web", 0);
  (void)Find(Open(), "web", 0);
  ASSERT_EQ(unlink(path().c_str()), 0);
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
  EXPECT_FALSE(LedgerBook::Open(path()).ok());
}

}  // namespace
}  // namespace procctl::logger
