#include "tests/fleetsim/fleet_sim.h"

#include <algorithm>
#include <random>
#include <utility>

#include "spdlog/fmt/fmt.h"
#include "tests/fleetsim/certificates.h"
#include "tests/fleetsim/clock.h"

namespace procctl::fleetsim {
namespace {

constexpr double kArrivalsPerSecond = 150;

std::string HostOf(const std::string& address) { return address.substr(0, address.rfind(':')); }

}  // namespace

absl::StatusOr<std::unique_ptr<FleetSim>> FleetSim::Start(const Options& options) {
  std::unique_ptr<FleetSim> sim(new FleetSim(options));
  if (auto s = sim->Prepare(); !s.ok()) return s;
  return sim;
}

FleetSim::~FleetSim() { Stop(); }

std::vector<std::pair<std::string, NodeKind>> FleetSim::Names() const {
  std::vector<std::pair<std::string, NodeKind>> names;
  const auto add = [&](const std::string& infix, int count, NodeKind kind) {
    for (int i = 1; i <= count; ++i) {
      names.emplace_back(fmt::format("{}-{}{:05}", options_.prefix, infix, i), kind);
    }
  };
  add("", options_.nodes, NodeKind::kPlain);
  add("slow-", options_.slow, NodeKind::kSlow);
  add("stopped-", options_.stopped, NodeKind::kStopped);
  add("hostile-", options_.hostile, NodeKind::kHostile);
  return names;
}

absl::Status FleetSim::Prepare() {
  const auto names = Names();
  std::vector<std::string> ids;
  ids.reserve(names.size());
  for (const auto& [id, kind] : names) ids.push_back(id);
  auto certificates = TakeCertificates(options_.dir, options_.prefix, ids);
  if (!certificates.ok()) return certificates.status();
  if (options_.only_certificates) return absl::OkStatus();

  if (!options_.journal.empty()) {
    auto journal = Journal::Open(options_.journal);
    if (!journal.ok()) return journal.status();
    journal_ = *std::move(journal);
  }
  const std::size_t cut_off =
      options_.partition
          ? static_cast<std::size_t>(options_.partition->share * options_.nodes + 0.5)
          : 0;
  if (cut_off > 0) {
    auto relay = Relay::Start(options_.controller);
    if (!relay.ok()) return relay.status();
    relay_ = *std::move(relay);
  }

  began_ = MonoNs();
  awaited_ = names.size() - static_cast<std::size_t>(options_.hostile);
  stats_ = std::make_unique<Stats>(awaited_, began_);
  run_.ca = certificates->ca;
  run_.server_name =
      options_.server_name.empty() ? HostOf(options_.controller) : options_.server_name;
  // Grows from run to run, as epochs must.
  run_.epoch = WallNs() / 1'000'000'000;
  run_.event_bytes = static_cast<std::size_t>(options_.event_bytes);
  run_.events_kept = static_cast<std::size_t>(options_.events_kept);
  run_.slots = static_cast<std::uint32_t>(options_.slots);
  run_.programs = static_cast<std::uint32_t>(std::max(options_.programs, 0));
  run_.answer_at_once = options_.kill_latency;
  run_.stats = stats_.get();
  run_.journal = journal_.get();
  if (journal_ != nullptr) journal_->Run(run_.epoch);

  for (int i = 0; i < options_.threads; ++i) {
    workers_.push_back(std::make_unique<Worker>(&run_, options_.connecting));
  }
  std::mt19937_64 random(static_cast<std::uint64_t>(options_.seed));
  std::uniform_real_distribution<double> unit(0, 1);
  const double spread = options_.spread_s >= 0
                            ? options_.spread_s
                            : static_cast<double>(names.size()) / kArrivalsPerSecond;
  const std::string instance =
      fmt::format("{:016x}", random() ^ static_cast<std::uint64_t>(WallNs()));
  for (std::size_t i = 0; i < names.size(); ++i) {
    NodeStart start;
    start.name = {names[i].first, instance};
    start.kind = names[i].second;
    const bool relayed = start.kind == NodeKind::kPlain && i < cut_off;
    start.address = relayed ? relay_->address() : options_.controller;
    start.leaf = std::move(certificates->leaves[i]);
    start.seed = random();
    start.connect_at = began_ + static_cast<std::int64_t>(spread * unit(random) * 1e9);
    if (start.kind == NodeKind::kHostile && journal_ != nullptr) journal_->Hostile(names[i].first);
    workers_[i % workers_.size()]->Add(std::move(start));
  }
  for (const auto& worker : workers_) {
    const double share = static_cast<double>(worker->size()) / static_cast<double>(names.size());
    worker->set_pace({options_.events * share, options_.burst, options_.churn * share});
    worker->Start();
  }
  return absl::OkStatus();
}

void FleetSim::Tick(std::int64_t now) {
  if (relay_ == nullptr) return;
  const std::int64_t complete = stats_->complete_since();
  if (complete == 0) return;
  const double second = static_cast<double>(now - complete) / 1e9;
  const Partition& partition = *options_.partition;
  if (!partitioned_ && second >= partition.at_s) {
    partitioned_ = true;
    relay_->SetMode(partition.mode);
  }
  if (partitioned_ && !healed_ && second >= partition.at_s + partition.for_s) {
    healed_ = true;
    relay_->SetMode(Relay::Mode::kPass);
  }
}

void FleetSim::Stop() {
  if (stopped_) return;
  stopped_ = true;
  // All at once: each waits for its nodes' goodbyes.
  std::vector<std::thread> stops;
  stops.reserve(workers_.size());
  for (const auto& worker : workers_) stops.emplace_back([&worker] { worker->Stop(); });
  for (std::thread& stop : stops) stop.join();
  if (journal_ != nullptr) journal_->End();
}

}  // namespace procctl::fleetsim
