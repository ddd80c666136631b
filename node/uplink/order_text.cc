#include "node/uplink/order_text.h"

#include <algorithm>
#include <string>

namespace procctl::uplink {
namespace {

void Cut(std::size_t limit, std::string* text) {
  if (text->size() <= limit) return;
  // Not inside a UTF-8 sequence: a strict reader would drop the whole message.
  while (limit > 0 && (static_cast<unsigned char>((*text)[limit]) & 0xC0) == 0x80) --limit;
  text->resize(limit);
}

constexpr std::size_t kText = 4096;
// One more than a guardian answers.
constexpr int kTooManyGenerations = 1001;

// `Message`: any order; they name these alike.
template <typename Message>
void FitTexts(Message* order) {
  // What this version does not know the guardian does not know either, and it has no upper bound.
  order->DiscardUnknownFields();
  Cut(kText, order->mutable_reason());
  Cut(kText, order->mutable_issuer());
  // Not made where there was none: to a program that means whichever life it is in.
  if (order->has_incarnation()) Cut(kText, order->mutable_incarnation()->mutable_boot_id());
  Cut(1024, order->mutable_order_id());
}

}  // namespace

bool IsOrderId(std::string_view text) {
  return !text.empty() && text.size() <= 128 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

void FitForLink(v1::Order* order) {
  FitTexts(order);
  Cut(kText, order->mutable_slot());
}

void FitForLink(v1::HoldOrder* order) {
  FitTexts(order);
  Cut(kText, order->mutable_slot());
}

void FitForLink(v1::ProgramOrder* order) {
  FitTexts(order);
  Cut(kText, order->mutable_program());
}

void FitForLink(v1::DetailRequest* request) {
  request->DiscardUnknownFields();
  if (request->has_usage() && request->usage().generations_size() > kTooManyGenerations) {
    request->mutable_usage()->mutable_generations()->Truncate(kTooManyGenerations);
  }
  if (!request->has_output()) return;
  Cut(kText, request->mutable_output()->mutable_program());
  Cut(kText, request->mutable_output()->mutable_cursor());
}

}  // namespace procctl::uplink
