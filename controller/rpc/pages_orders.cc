#include "controller/rpc/pages_orders.h"

#include <charconv>
#include <string>

#include "controller/rpc/fleet_messages.h"
#include "controller/rpc/page_token.h"

namespace procctl::controller {
namespace {

constexpr int kMostOrders = 1000;
constexpr int kStandardOrders = 100;

}  // namespace

absl::Status FillPage(KillDesk* desk, History* history, const v1::ListOrdersRequest& request,
                      v1::ListOrdersResponse* response) {
  const auto size = PageSize(request.page_size(), kStandardOrders, kMostOrders);
  if (!size.ok()) return size.status();
  OrderQuery query;
  query.limit = *size;
  query.only_running = request.only_running();
  // The two lists have no pages in common.
  const std::uint64_t which = request.only_running() ? 1 : 0;
  if (!request.page_token().empty()) {
    const auto keys = ReadPageToken(request.page_token(), "orders", which, 1);
    if (!keys.ok()) return keys.status();
    const std::string& key = keys->front();
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), query.before);
    if (error != std::errc() || end != key.data() + key.size() || query.before <= 0) {
      return absl::InvalidArgumentError(
          "page_token is none of this list's; leave it out to start again");
    }
  }
  const auto page = history->ListOrders(query);
  if (!page.ok()) return page.status();
  for (const RecordedOrder& order : page->orders) {
    const auto standing = desk->Look(order.standing.request_id);
    ToMessage(standing ? *standing : order.standing, response->add_orders());
  }
  if (page->more) {
    response->set_next_page_token(
        MakePageToken("orders", which, {std::to_string(page->orders.back().number)}));
  }
  return absl::OkStatus();
}

}  // namespace procctl::controller
