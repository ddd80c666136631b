// SpoolDb: the fence (fence.h) in the table meta: one number, and one row per history, the one that
// welcomed last first. An older uplink leaves them alone.
#include <string>

#include "node/uplink/spool_db.h"
#include "procctl/v1/node_service.pb.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::uplink {
namespace {

constexpr char kMaxSessionEpoch[] = "max_session_epoch";

std::string KeyOf(std::size_t place) { return fmt::format("history_{:02}", place); }

// A Welcome with nothing but the three is a container that stays readable whatever they hold.
std::string Pack(const KnownHistory& history) {
  v1::Welcome packed;
  packed.set_history_id(history.id);
  packed.set_generation(history.generation);
  packed.set_run(history.run);
  return packed.SerializeAsString();
}

}  // namespace

absl::StatusOr<Fence> SpoolDb::LoadFence() {
  Fence fence;
  const absl::StatusOr<std::int64_t> epoch = GetMeta(kMaxSessionEpoch);
  if (!epoch.ok()) return epoch.status();
  fence.max_session_epoch = *epoch;
  Statement& get = *sql_->get_meta;
  for (std::size_t place = 0; place < Fence::kMostHistories; ++place) {
    const std::string key = KeyOf(place);
    const absl::StatusOr<bool> row = get.BindText(1, key).Step();
    if (!row.ok()) return row.status();
    v1::Welcome packed;
    const std::string_view bytes = *row ? get.Bytes(0) : std::string_view();
    const bool sound = packed.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
    const bool there = *row;
    get.Reset();
    if (!there) break;
    if (!sound || packed.history_id().empty()) {
      return absl::DataLossError(fmt::format("spool: {} is damaged", key));
    }
    fence.histories.push_back({packed.history_id(), packed.generation(), packed.run()});
  }
  return fence;
}

absl::Status SpoolDb::WriteFence(const Fence& fence) {
  if (absl::Status status = SetMeta(kMaxSessionEpoch, fence.max_session_epoch); !status.ok()) {
    return status;
  }
  for (std::size_t place = 0; place < Fence::kMostHistories; ++place) {
    const std::string key = KeyOf(place);
    absl::Status status;
    if (place < fence.histories.size()) {
      const std::string packed = Pack(fence.histories[place]);
      status = sql_->set_meta->BindText(1, key).BindBlob(2, packed).Run();
    } else {
      status = sql_->delete_meta->BindText(1, key).Run();
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace procctl::uplink
