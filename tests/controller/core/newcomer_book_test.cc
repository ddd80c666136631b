#include "controller/core/newcomer_book.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace procctl::controller {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
using Ids = std::vector<NewcomerBook::Id>;

class NewcomerBookTest : public ::testing::Test {
 protected:
  static PeerKey Peer(const std::string& address, int port) {
    return {address, address + ":" + std::to_string(port)};
  }
  NewcomerBook::Id Add(const std::string& address, int port) {
    const auto added = book_.Add(Peer(address, port), now_);
    const auto* const id = std::get_if<NewcomerBook::Id>(&added);
    EXPECT_NE(id, nullptr);
    return id == nullptr ? 0 : *id;
  }
  std::optional<NewcomerBook::Refusal> Refusal(const std::string& address, int port) {
    const auto added = book_.Add(Peer(address, port), now_);
    const auto* const refusal = std::get_if<NewcomerBook::Refusal>(&added);
    return refusal == nullptr ? std::nullopt : std::optional(*refusal);
  }
  bool Refused(const std::string& address, int port) {
    return Refusal(address, port) == NewcomerBook::Refusal::kTooMany;
  }

  MonoTime now_{seconds(1000)};
  NewcomerBook book_{{.per_address = 2, .handshake_timeout = seconds(10)}};
};

TEST_F(NewcomerBookTest, AnAddressHasItsShareAndTakesNobodyElses) {
  Add("a", 1);
  Add("a", 2);
  EXPECT_TRUE(Refused("a", 3));
  Add("b", 1);
  Add("b", 2);
  EXPECT_TRUE(Refused("b", 3));
  EXPECT_EQ(book_.size(), 4U);
}

TEST_F(NewcomerBookTest, WhoStallsIsNotAmongTheNewest) {
  Add("a", 1);
  now_ += seconds(4);
  Add("b", 1);
  Add("c", 1);
  EXPECT_EQ(book_.NewestSince(now_ - seconds(3), 10), Ids({3, 2}));
  EXPECT_EQ(book_.NewestSince(now_ - seconds(5), 10), Ids({3, 2, 1}));
  EXPECT_EQ(book_.NewestSince(now_ - seconds(5), 2), Ids({3, 2})) << "no further than asked";
  now_ += seconds(4);
  EXPECT_EQ(book_.NewestSince(now_ - seconds(3), 10), Ids());
}

TEST_F(NewcomerBookTest, APlaceIsFreeOnceACallBeganOrTheConnectionEnded) {
  const auto first = Add("a", 1);
  const auto second = Add("a", 2);
  EXPECT_EQ(book_.Settle("a:1"), Ids{first});
  EXPECT_EQ(book_.Settle("a:1"), Ids{}) << "its second call changes nothing";
  Add("a", 3);
  EXPECT_TRUE(Refused("a", 4));
  EXPECT_TRUE(book_.Remove(second));
  EXPECT_FALSE(book_.Remove(second));
  EXPECT_FALSE(book_.Remove(first)) << "it is no newcomer any more";
  Add("a", 5);
  EXPECT_TRUE(Refused("a", 6));
}

TEST_F(NewcomerBookTest, WhoBeginsNothingIsOverdueOneNanosecondAfterTheTimeout) {
  const auto early = Add("a", 1);
  EXPECT_EQ(book_.NextDeadline(), now_ + seconds(10));
  now_ += seconds(1);
  const auto late = Add("b", 1);
  now_ += seconds(9);
  EXPECT_EQ(book_.TakeOverdue(now_), Ids{});
  now_ += nanoseconds(1);
  EXPECT_EQ(book_.TakeOverdue(now_), Ids{early});
  EXPECT_EQ(book_.TakeOverdue(now_), Ids{}) << "told once";
  EXPECT_EQ(book_.NextDeadline(), now_ - nanoseconds(1) + seconds(1));
  now_ += seconds(1);
  EXPECT_EQ(book_.TakeOverdue(now_), Ids{late});
  EXPECT_EQ(book_.NextDeadline(), std::nullopt);
  EXPECT_EQ(book_.size(), 0U);
}

TEST_F(NewcomerBookTest, OnePortTowardsTwoOfOurAddressesIsTwoNewcomersThatSettleTogether) {
  const auto first = Add("a", 1);
  const auto second = Add("a", 1);
  EXPECT_EQ(book_.Settle("a:1"), (Ids{first, second}));
  EXPECT_EQ(book_.size(), 0U);
}

TEST_F(NewcomerBookTest, WhoIsShunnedComesBackWhenItsTimeIsOverAndOthersAlways) {
  Add("a", 1);
  book_.Shun("a", now_, now_ + seconds(10));
  EXPECT_EQ(Refusal("a", 2), NewcomerBook::Refusal::kShunned);
  EXPECT_EQ(book_.Settle("a:1").size(), 1U) << "who is in stays in";
  Add("b", 1);
  now_ += seconds(9);
  book_.Shun("b", now_, now_ + seconds(10));
  EXPECT_EQ(Refusal("a", 2), NewcomerBook::Refusal::kShunned);
  now_ += seconds(1);
  Add("a", 2);
  EXPECT_EQ(Refusal("b", 2), NewcomerBook::Refusal::kShunned);
}

TEST_F(NewcomerBookTest, ARandomCrowdIsCountedAsByHand) {
  const unsigned int seed = 20261126;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  struct Known {
    std::string address;
    std::string connection;
    MonoTime since;
  };
  std::map<NewcomerBook::Id, Known> oracle;
  for (int step = 0; step < 5000; ++step) {
    const std::string address(1, static_cast<char>('a' + random() % 4));
    const int port = static_cast<int>(random() % 6);
    now_ += std::chrono::milliseconds(random() % 3000);
    switch (random() % 4) {
      case 0:
      case 1: {
        size_t held = 0;
        for (const auto& [id, known] : oracle) held += known.address == address ? 1 : 0;
        const auto added = book_.Add(Peer(address, port), now_);
        const auto* const id = std::get_if<NewcomerBook::Id>(&added);
        ASSERT_EQ(id != nullptr, held < 2) << step;
        if (id != nullptr) oracle[*id] = {address, Peer(address, port).connection, now_};
        break;
      }
      case 2: {
        Ids expected;
        for (const auto& [id, known] : oracle) {
          if (known.connection == Peer(address, port).connection) expected.push_back(id);
        }
        for (const auto id : expected) oracle.erase(id);
        ASSERT_EQ(book_.Settle(Peer(address, port).connection), expected) << step;
        break;
      }
      default: {
        Ids expected;
        for (const auto& [id, known] : oracle) {
          if (now_ - known.since > seconds(10)) expected.push_back(id);
        }
        for (const auto id : expected) oracle.erase(id);
        ASSERT_EQ(book_.TakeOverdue(now_), expected) << step;
      }
    }
    ASSERT_EQ(book_.size(), oracle.size()) << step;
  }
}

}  // namespace
}  // namespace procctl::controller
