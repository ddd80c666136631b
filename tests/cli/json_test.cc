#include "cli/json.h"

#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "cli/render.h"
#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Row;

google::protobuf::Struct Parse(const std::string& json) {
  google::protobuf::Struct parsed;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &parsed);
  EXPECT_TRUE(status.ok()) << status << "\n" << json;
  return parsed;
}

TEST(JsonString, IsValidWhateverItHolds) {
  const std::string nasty = "q\" b\\ nl\n esc\x1b tab\t c1\xc2\x9b bad\xff";
  const auto parsed = Parse("{\"s\":" + JsonString(nasty) + "}");
  EXPECT_EQ(parsed.fields().at("s").string_value(),
            "q\" b\\ nl\n esc\\x1b tab\\x09 c1\\xc2\\x9b bad\\xff");
}

TEST(JsonObject, PutsTheIdFirst) {
  const std::string json = JsonObject(Row("web-01", "a", v1::SLOT_STATE_HUNG, 42), "x:1");
  EXPECT_EQ(json.substr(0, 12), R"({"id":"x:1",)");
  const auto parsed = Parse(json);
  EXPECT_EQ(parsed.fields().at("node").string_value(), "web-01");
  EXPECT_EQ(parsed.fields().at("slot").struct_value().fields().at("state").string_value(),
            "SLOT_STATE_HUNG");
}

TEST(JsonObject, NeverHoldsRawControlCharacters) {
  auto row = Row("web-01", "evil\x1b[31m\xc2\x9b\n\"", v1::SLOT_STATE_ALIVE, 42);
  row.mutable_slot()->set_note("\u202e\x7f");
  const std::string json = JsonObject(row, "b\"oo\x1bt:1:2:3");
  Parse(json);
  for (const char* raw : {"\x1b", "\n", "\x7f", "\xc2\x9b"}) EXPECT_THAT(json, Not(HasSubstr(raw)));
}

// protobuf refuses to print them; one such row must not cost the others.
TEST(JsonObject, TimesOutOfRangeAreMovedIntoIt) {
  auto row = Row("web-01", "a", v1::SLOT_STATE_ALIVE, 42);
  row.mutable_slot()->mutable_timeout()->set_seconds(INT64_MAX);
  row.mutable_slot()->mutable_silence()->set_nanos(-2'000'000'000);
  row.mutable_slot()->mutable_registered_at()->set_seconds(INT64_MIN);
  row.mutable_age()->set_seconds(5);
  row.mutable_age()->set_nanos(-1);
  const auto parsed = Parse(JsonObject(row));
  EXPECT_EQ(parsed.fields().at("slot").struct_value().fields().at("timeout").string_value(),
            "315576000000s");
  EXPECT_EQ(parsed.fields().at("age").string_value(), "5s");
}

TEST(JsonObject, UnknownEnumValuesStayNumbers) {
  const auto parsed = Parse(JsonObject(Row("n", "a", static_cast<v1::SlotState>(99), 42)));
  EXPECT_EQ(parsed.fields().at("slot").struct_value().fields().at("state").number_value(), 99);
}

TEST(SlotsJson, IsOneDocument) {
  SlotList list;
  list.as_of.set_seconds(testing::kNoon);
  list.slots = {Row("web-01", "a", v1::SLOT_STATE_ALIVE, 42),
                Row("web-02", "b", v1::SLOT_STATE_HUNG, 43)};
  const auto parsed = Parse(SlotsJson(list));
  EXPECT_EQ(parsed.fields().at("apiVersion").string_value(), "procctl/v1");
  EXPECT_EQ(parsed.fields().at("asOf").string_value(), "2026-11-22T12:00:00Z");
  const auto& slots = parsed.fields().at("slots").list_value();
  ASSERT_EQ(slots.values_size(), 2);
  EXPECT_EQ(slots.values(1).struct_value().fields().at("id").string_value(), "b7e1f0c2:43:1043:7");
}

TEST(SlotsJson, AnEmptyFleetIsADocumentToo) {
  const auto parsed = Parse(SlotsJson({}));
  EXPECT_EQ(parsed.fields().at("slots").list_value().values_size(), 0);
  EXPECT_EQ(Parse(NodesJson({})).fields().at("nodes").list_value().values_size(), 0);
}

}  // namespace
}  // namespace procctl::cli
