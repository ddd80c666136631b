// Each test plants one fault into a history that is otherwise good.
#include "tests/fleetsim/history_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace procctl::fleetsim {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class HistoryBookTest : public ::testing::Test {
 protected:
  void Journal(std::string_view line) { ASSERT_TRUE(book_.AddJournalLine(line).ok()) << line; }

  StoredRow Row(const std::string& origin, std::int64_t epoch, std::int64_t seq) {
    StoredRow row;
    row.position = ++position_;
    row.origin = origin;
    row.epoch = epoch;
    row.seq = seq;
    row.event.mutable_id()->set_origin(origin);
    row.event.mutable_id()->set_epoch(epoch);
    row.event.mutable_id()->set_seq(seq);
    row.event.set_kind(v1::EVENT_KIND_NEAR_MISS);
    row.event.set_node(origin);
    return row;
  }
  void Store(std::int64_t first, std::int64_t last) {
    for (std::int64_t seq = first; seq <= last; ++seq) book_.AddStored(Row("n", 5, seq));
  }
  void StoreLost(std::int64_t first, std::int64_t last) {
    StoredRow row = Row("n", 5, last);
    row.event.set_kind(v1::EVENT_KIND_EVENTS_LOST);
    row.event.mutable_lost()->set_first_seq(first);
    row.event.mutable_lost()->set_last_seq(last);
    book_.AddStored(row);
  }
  void StoreGap(std::int64_t first, std::int64_t last) {
    StoredRow row = Row("@ctl", 1, ++own_);
    row.event.set_kind(v1::EVENT_KIND_GAP);
    row.event.set_node("n");
    row.event.mutable_lost()->set_epoch(5);
    row.event.mutable_lost()->set_first_seq(first);
    row.event.mutable_lost()->set_last_seq(last);
    book_.AddStored(row);
  }
  std::vector<std::string> Faults() { return book_.Faults(false); }

  HistoryBook book_;
  std::int64_t position_ = 0;
  std::int64_t own_ = 0;
};

TEST_F(HistoryBookTest, AGoodHistoryHasNone) {
  Journal("run 5");
  Journal("sent n 5 1 10");
  Journal("acked n 5 8");
  Journal("sent n 5 9 12");
  Journal("end");
  Store(1, 11);
  EXPECT_THAT(Faults(), IsEmpty());
  EXPECT_TRUE(book_.ended());
  EXPECT_EQ(book_.stored(), 11);
}

TEST_F(HistoryBookTest, FindsAHole) {
  Journal("sent n 5 1 10");
  Store(1, 4);
  Store(7, 10);
  EXPECT_THAT(Faults(), ElementsAre(AllOf(HasSubstr("n/5/5 to 6"), HasSubstr("missing"))));
}

TEST_F(HistoryBookTest, AHoleThatTheNodeRecordedIsNone) {
  Journal("sent n 5 1 4");
  Journal("lost n 5 5 6");
  Journal("sent n 5 7 10");
  Journal("acked n 5 10");
  Store(1, 4);
  StoreLost(5, 6);
  Store(7, 10);
  EXPECT_THAT(Faults(), IsEmpty());
  EXPECT_EQ(book_.lost(), 2);
}

TEST_F(HistoryBookTest, AHoleThatTheControllerRecordedIsNone) {
  Journal("sent n 5 1 10");
  Journal("acked n 5 8");
  Store(1, 4);
  StoreGap(5, 8);
  Store(9, 10);
  EXPECT_THAT(Faults(), IsEmpty());
  EXPECT_EQ(book_.lost(), 4);
}

TEST_F(HistoryBookTest, ARecordThatIsTooShortLeavesAHole) {
  Journal("sent n 5 1 10");
  Store(1, 4);
  StoreGap(5, 7);
  Store(9, 10);
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("n/5/8 is missing")));
}

TEST_F(HistoryBookTest, FindsADuplicate) {
  Journal("sent n 5 1 10");
  Store(1, 4);
  book_.AddStored(Row("n", 5, 4));
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("n/5/4 is stored twice")));
}

TEST_F(HistoryBookTest, FindsWhatIsOutOfOrder) {
  Journal("sent n 5 1 10");
  Store(1, 2);
  Store(4, 4);
  Store(3, 3);
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("n/5/3 is stored after 4")));
}

TEST_F(HistoryBookTest, FindsWhatNobodyHandedOver) {
  Journal("sent n 5 1 3");
  Store(1, 5);
  EXPECT_THAT(Faults(), ElementsAre(AllOf(HasSubstr("n/5/4 to 5"), HasSubstr("never handed"))));
}

TEST_F(HistoryBookTest, FindsALossThatTheNodeNeverSaid) {
  Journal("sent n 5 1 3");
  Journal("sent n 5 6 6");
  Store(1, 3);
  StoreLost(4, 5);
  Store(6, 6);
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("recorded as lost")));
}

TEST_F(HistoryBookTest, FindsWhatWasAcknowledgedAndIsGone) {
  Journal("sent n 5 1 10");
  Journal("acked n 5 10");
  Store(1, 8);
  EXPECT_THAT(Faults(), ElementsAre(AllOf(HasSubstr("n/5/9 to 10"), HasSubstr("acknowledged"))));
}

TEST_F(HistoryBookTest, FindsAnAcknowledgementOfWhatWasNeverSent) {
  Journal("sent n 5 1 3");
  Journal("acked n 5 9");
  Store(1, 3);
  StoreGap(4, 9);
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("only numbers up to 3 were handed over")));
}

TEST_F(HistoryBookTest, FindsABodyOfAnotherEvent) {
  Journal("sent n 5 1 2");
  StoredRow row = Row("n", 5, 1);
  row.event.mutable_id()->set_seq(2);
  book_.AddStored(row);
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("but its body says n/5/2")));
}

TEST_F(HistoryBookTest, FindsASecondVerdict) {
  Journal("sent n 5 1 4");
  std::int64_t seq = 0;
  for (const v1::Verdict verdict :
       {v1::VERDICT_UNKILLABLE, v1::VERDICT_KILLED, v1::VERDICT_EXITED_ON_TERM}) {
    StoredRow row = Row("n", 5, ++seq);
    row.event.set_kind(v1::EVENT_KIND_VERDICT);
    row.event.set_order_id("r/0");
    row.event.set_verdict(verdict);
    book_.AddStored(row);
  }
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("order r/0 has two verdicts")));
}

TEST_F(HistoryBookTest, NodesOutsideTheJournalsAreAFaultUnlessAllowed) {
  Journal("sent n 5 1 1");
  Journal("hostile evil");
  Store(1, 1);
  book_.AddStored(Row("evil", 3, 1));
  EXPECT_THAT(Faults(), IsEmpty());
  book_.AddStored(Row("real", 3, 1));
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("real is in no journal")));
  EXPECT_THAT(book_.Faults(true), IsEmpty());
}

TEST_F(HistoryBookTest, ALineThatIsNoneIsRefused) {
  for (const char* line :
       {"", "sent n 5 1", "sent n 5 x 3", "sent n 5 4 3", "acked n", "nonsense"}) {
    EXPECT_FALSE(book_.AddJournalLine(line).ok()) << line;
  }
}

}  // namespace
}  // namespace procctl::fleetsim
