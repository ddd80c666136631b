#include "controller/settings_limits.h"

#include <cstdint>
#include <string>

#include "proto/support/duration_text.h"
#include "proto/support/size_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

using std::chrono::nanoseconds;

constexpr nanoseconds kLeastKept = std::chrono::hours(1);
constexpr nanoseconds kMostChecked = std::chrono::hours(1);
constexpr std::int64_t kLeastHistory = 16 << 20;
// Below, the controller alone is over it.
constexpr std::int64_t kLeastMemory = 128 << 20;
constexpr nanoseconds kLeastHandshake = std::chrono::seconds(1);
constexpr nanoseconds kMostHandshake = std::chrono::minutes(2);
constexpr int kMostNumber = 1'000'000;

// Leaves `number` as it is where the key is absent or refused.
void ReadNumber(SettingsSource* source, std::string_view key, int value, int least, int* number) {
  if (!source->Gives(key)) return;
  if (value < least || value > kMostNumber) {
    source->Refuse(key, fmt::format("{} is not {} to {}; leave it out for {}", value, least,
                                    kMostNumber, *number));
    return;
  }
  *number = value;
}

// `zero`: what 0 means, empty where it is refused.
void ReadBytes(SettingsSource* source, std::string_view key, const std::string& text,
               std::int64_t least, std::string_view zero, std::int64_t* bytes) {
  if (!source->Gives(key) || source->faults.Told(key)) return;
  const auto read = ParseSize(text);
  if (!read.ok()) return source->Refuse(key, std::string(read.status().message()));
  if (*read < least && (*read != 0 || zero.empty())) {
    return source->Refuse(
        key, fmt::format("{} is too little; use at least {}{}", text, FormatSize(least), zero));
  }
  *bytes = *read;
}

void CheckTargets(SettingsSource* source, const char* most_key, int most, const char* at_all_key,
                  int at_all) {
  if (most <= at_all) return;
  const char* const key = source->Gives(most_key) ? most_key : at_all_key;
  source->Refuse(key, fmt::format("{} targets without a confirmation are more than the {} of {}; "
                                  "raise that, or lower this",
                                  most, at_all, at_all_key));
}

void ReadOrders(SettingsSource* source, ServerOptions* server) {
  const v1::ControllerLimits& given = source->config.limits();
  OrderLimits& orders = server->order_limits;
  ReadNumber(source, "limits.operator_targets", given.operator_targets(), 1,
             &orders.operator_targets);
  ReadNumber(source, "limits.admin_targets", given.admin_targets(), 1, &orders.admin_targets);
  ReadNumber(source, "limits.operator_targets_at_most", given.operator_targets_at_most(), 1,
             &orders.operator_at_most);
  ReadNumber(source, "limits.admin_targets_at_most", given.admin_targets_at_most(), 1,
             &orders.admin_at_most);
  CheckTargets(source, "limits.operator_targets", orders.operator_targets,
               "limits.operator_targets_at_most", orders.operator_at_most);
  CheckTargets(source, "limits.admin_targets", orders.admin_targets, "limits.admin_targets_at_most",
               orders.admin_at_most);
  const std::string& word = given.orders_without_disk();
  if (!source->Gives("limits.orders_without_disk")) return;
  if (word != "allow" && word != "refuse") {
    source->Refuse("limits.orders_without_disk",
                   "must be allow (orders to stop go out, and are recorded when the disk takes "
                   "them) or refuse");
  }
  server->orders_without_disk = word == "allow";
}

}  // namespace

void ReadHistory(SettingsSource* source, HistoryLimits* limits) {
  const v1::HistoryConfig& given = source->config.history();
  if (given.has_keep()) {
    limits->keep = FromProto(given.keep());
    if (limits->keep != nanoseconds(0) && limits->keep < kLeastKept) {
      source->Refuse("history.keep", "must be at least 1h; 90d suits most fleets, 0s: for ever");
    }
  }
  ReadBytes(source, "history.max_size", given.max_size(), kLeastHistory, ", or 0 for no bound",
            &limits->max_bytes);
  if (given.has_check()) {
    limits->check = FromProto(given.check());
    if (limits->check > kMostChecked) {
      source->Refuse("history.check",
                     "must be at most 1h: nobody is served meanwhile; 10s suits most fleets");
    }
  }
}

void ReadLimits(SettingsSource* source, ServerOptions* server, int* max_connections) {
  if (source->Gives("max_connections")) {
    *max_connections = source->config.max_connections();
    if (*max_connections < 16 || *max_connections > kMostNumber) {
      source->Refuse("max_connections",
                     "must be 16 to 1000000; leave it out for what the descriptor limit allows");
    }
  }
  const v1::ControllerLimits& given = source->config.limits();
  ReadNumber(source, "limits.connections_per_address", given.connections_per_address(), 1,
             &server->connections.per_address);
  if (given.has_handshake_timeout()) {
    nanoseconds& timeout = server->connections.handshake_timeout;
    timeout = FromProto(given.handshake_timeout());
    if (timeout < kLeastHandshake || timeout > kMostHandshake) {
      source->Refuse(
          "limits.handshake_timeout",
          fmt::format("{} is not 1s to 2m; 10s suits most fleets", FormatDuration(timeout)));
    }
  }
  ReadBytes(source, "limits.memory", given.memory(), kLeastMemory, "", &server->memory);
  ReadNumber(source, "limits.watches", given.watches(), 1, &server->watches);
  ReadOrders(source, server);
}

}  // namespace procctl::controller
