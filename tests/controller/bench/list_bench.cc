// What lists cost over a large fleet: bytes of memory per row, the time of a first page by filter,
// rows per second of a whole listing (pages made; made and read as a client reads them), and of
// counts. In one process, without a network. Usage: controller_list_bench [NODES [SLOTS_PER_NODE]]
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "controller/rpc/pages.h"
#include "google/protobuf/arena.h"

namespace procctl::controller {
namespace {

using Clock = std::chrono::steady_clock;

// The events of nodes that come, which this bench is not about.
class NoLog final : public CommitLog {
 public:
  void Append(NodeBatch, Appended) override {}
  void AppendOwn(std::vector<v1::Event>, Appended) override {}
  void Follow(Follower) override {}
  void LoadCursors(const std::string&, Loaded) override {}
  void AcceptGaps(const std::string&, std::int64_t, std::vector<HeldRange>, Loaded) override {}
  size_t WaitingBytes() const override { return 0; }
};

// Of this process: what remains true on a machine that others use.
double CpuMilliSeconds() { return 1000.0 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double MilliSeconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

std::int64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t size = 0;
  std::int64_t resident = 0;
  statm >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// As a real one: ten programs with ten processes each.
v1::Slot MakeSlot(int node, int i) {
  static constexpr const char* kNames[] = {"encoder",   "api",     "ingest-worker", "scheduler",
                                           "db-proxy",  "mailer",  "thumbnailer",   "cache",
                                           "log-relay", "exporter"};
  const std::string name = kNames[i % 10];
  v1::Slot slot;
  slot.set_label(i < 10 ? name : name + "." + std::to_string(i / 10 + 1));
  slot.set_name(name);
  slot.mutable_incarnation()->set_boot_id("4f6a2f9e-1a0b-4a43-9f5e-0c9d6a1b2c3d");
  slot.mutable_incarnation()->set_pid(1000 + i * 7);
  slot.mutable_incarnation()->set_start_ticks(1'234'567 + i * 100);
  slot.mutable_incarnation()->set_generation((std::int64_t{7} << 40) + i + 1);
  slot.set_state(node % 1000 == 999 && i == 50 ? v1::SLOT_STATE_HUNG : v1::SLOT_STATE_ALIVE);
  slot.set_door(v1::DOOR_NATIVE);
  slot.mutable_timeout()->set_seconds(5);
  slot.mutable_silence()->set_nanos(400'000'000);
  slot.mutable_registered_at()->set_seconds(1'790'000'000 + i);
  slot.mutable_registered_at()->set_nanos(123'456'789);
  slot.set_uid(1000 + i % 10);
  slot.set_program(name + "@1");
  return slot;
}

void Fill(Fleet* fleet, int nodes, int slots) {
  for (int n = 0; n < nodes; ++n) {
    char id[32];
    std::snprintf(id, sizeof id, "web-%05d.example.org", n);
    fleet->Begin(id, 1, {}, nullptr);
    v1::SnapshotChunk piece;
    piece.set_snapshot(1);
    piece.set_last(true);
    for (int i = 0; i < slots; ++i) *piece.add_slots() = MakeSlot(n, i);
    if (n == nodes - 1) {
      piece.mutable_slots(0)->set_name("needle");
      piece.mutable_slots(0)->set_label("needle");
    }
    if (fleet->ApplySnapshot(id, 1, piece) != FleetView::Applied::kYes) std::abort();
  }
}

v1::ListSlotsResponse Page(const Fleet& fleet, const v1::ListSlotsRequest& request) {
  std::string wire;
  v1::ListSlotsResponse response;
  if (!FillPage(fleet, request, &wire).ok() || !response.ParseFromString(wire)) std::abort();
  return response;
}

void FirstPages(const Fleet& fleet, const std::string& filter) {
  constexpr int kRounds = 100;
  v1::ListSlotsRequest request;
  request.set_filter(filter);
  std::vector<double> times;
  size_t bytes = 0;
  const double cpu = CpuMilliSeconds();
  for (int i = 0; i < kRounds; ++i) {
    std::string wire;
    const auto begin = Clock::now();
    if (!FillPage(fleet, request, &wire).ok()) std::abort();
    times.push_back(MilliSeconds(Clock::now() - begin));
    bytes = wire.size();
  }
  const double each = (CpuMilliSeconds() - cpu) / kRounds;
  std::sort(times.begin(), times.end());
  const v1::ListSlotsResponse page = Page(fleet, request);
  std::printf(
      "first page of %-28s %5d rows %8zu bytes, more %s: p50 %7.2f ms, p99 %7.2f ms, CPU %.2f ms\n",
      filter.c_str(), page.slots_size(), bytes, page.next_page_token().empty() ? "no " : "yes",
      times[kRounds / 2], times[kRounds * 99 / 100], each);
}

// Rows per second of all pages.
void WholeListing(const Fleet& fleet) {
  v1::ListSlotsRequest request;
  request.set_page_size(5000);
  std::int64_t bytes = 0;
  std::int64_t rows = 0;
  Clock::duration making{};
  double making_cpu = 0;
  const auto begin = Clock::now();
  const double cpu = CpuMilliSeconds();
  for (;;) {
    std::string wire;
    const auto page_begin = Clock::now();
    const double page_cpu = CpuMilliSeconds();
    if (!FillPage(fleet, request, &wire).ok()) std::abort();
    making += Clock::now() - page_begin;
    making_cpu += CpuMilliSeconds() - page_cpu;
    bytes += static_cast<std::int64_t>(wire.size());
    google::protobuf::Arena arena;
    auto& page = *google::protobuf::Arena::CreateMessage<v1::ListSlotsResponse>(&arena);
    if (!page.ParseFromString(wire)) std::abort();
    rows += page.slots_size();
    if (page.next_page_token().empty()) break;
    request.set_page_token(page.next_page_token());
  }
  const double all = MilliSeconds(Clock::now() - begin) / 1000;
  const double all_cpu = (CpuMilliSeconds() - cpu) / 1000;
  std::int64_t expected = 0;
  fleet.Read([&](const FleetView& view) { expected = view.summary().slots; });
  if (rows != expected) std::abort();
  const auto n = static_cast<double>(rows);
  std::printf(
      "whole listing: %.0f rows/s made, %.0f rows/s made and read; by CPU time %.0f and %.0f; %.0f "
      "bytes a row\n",
      n / (MilliSeconds(making) / 1000), n / all, n / (making_cpu / 1000), n / all_cpu,
      static_cast<double>(bytes) / n);
}

void Counts(const Fleet& fleet, const std::string& filter, const std::vector<std::string>& keys) {
  v1::CountSlotsRequest request;
  request.set_filter(filter);
  std::string by;
  for (const std::string& key : keys) {
    request.add_group_by(key);
    by += " " + key;
  }
  v1::CountSlotsResponse response;
  const auto begin = Clock::now();
  const double cpu = CpuMilliSeconds();
  if (!FillCounts(fleet, request, &response).ok()) std::abort();
  std::printf("counts by%-16s of '%s': %.1f ms, CPU %.1f ms\n", by.c_str(), filter.c_str(),
              MilliSeconds(Clock::now() - begin), CpuMilliSeconds() - cpu);
}

int Run(int nodes, int slots) {
  NoLog log;
  // No node is forgotten here, so there is nobody to tell.
  Fleet fleet(LivenessLimits{}, &log, nullptr);
  const std::int64_t before = ResidentBytes();
  const auto begin = Clock::now();
  Fill(&fleet, nodes, slots);
  const double rows = static_cast<double>(nodes) * slots;
  std::printf("%d nodes, %.0f slots: %.0f bytes resident a row, %.2f s to take all snapshots\n",
              nodes, rows, static_cast<double>(ResidentBytes() - before) / rows,
              MilliSeconds(Clock::now() - begin) / 1000);
  char last[64];
  std::snprintf(last, sizeof last, "node=web-%05d.example.org", nodes - 1);
  for (const std::string& filter :
       {std::string(), std::string(last), std::string("node=web-*9.example.org"),
        std::string("name=needle"), std::string("name=nee*"), std::string("name=*z*"),
        std::string("name:cod state=alive"), std::string("state=hung"),
        std::string("state=hung OR name=needle"), std::string("slot=needle"),
        std::string("pid=1 uid=1"), std::string("program=x*"), std::string("age<1s")}) {
    FirstPages(fleet, filter);
  }
  WholeListing(fleet);
  Counts(fleet, "", {"state", "node"});
  Counts(fleet, "", {"name"});
  Counts(fleet, "name=api,mailer", {"program", "uid"});
  return 0;
}

}  // namespace
}  // namespace procctl::controller

int main(int argc, char** argv) {
  const int nodes = argc > 1 ? std::atoi(argv[1]) : 10'000;
  const int slots = argc > 2 ? std::atoi(argv[2]) : 100;
  if (nodes < 1 || slots < 1) {
    std::fprintf(stderr, "usage: controller_list_bench [NODES [SLOTS_PER_NODE]]\n");
    return 2;
  }
  return procctl::controller::Run(nodes, slots);
}
