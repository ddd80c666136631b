// fleet_bench: a controller at fleet scale, all figures from one run (README.md of tests/fleetsim).
//
// --check: exit code 1 where a figure misses what issue "controller at fleet scale" promises. A
// scaled run without it measures the same and judges only what does not depend on the machine:
// everybody comes back, nobody is lost, the history is whole.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "procctl/v1/fleet_service.grpc.pb.h"
#include "proto/support/channel.h"
#include "spdlog/fmt/fmt.h"
#include "tests/e2e/harness/wait.h"
#include "tests/fleetsim/bench/bench_fleet.h"
#include "tests/fleetsim/bench/echo.h"
#include "tests/fleetsim/bench/kill_bench.h"
#include "tests/fleetsim/bench/watch_bench.h"
#include "tests/fleetsim/bench/wire_list.h"

namespace procctl::bench {
namespace {

using e2e::HarnessError;
using std::chrono::milliseconds;
using std::chrono::seconds;
using SteadyClock = std::chrono::steady_clock;

constexpr int kProcessors = 2;  // the share of the machine that figures are told in
// Nodes whose processes are killed live in a process of their own: what the crowd's has to do is no
// part of the way from an operator to a node.
constexpr int kNear = 16;

struct Settings {
  double scale = 1;
  int slots = 100;
  double churn = 0.02;  // changes per node and second
  double events = 0.02;
  int steady_s = 60;
  int list_calls = 500;
  int kills = 300;
  int paced_kills = 60;
  int watchers = 200;
  int load_s = 20;
  double load_events = 30'000;
  bool check = false;
  std::string echo_tls;

  int nodes() const { return std::max(static_cast<int>(10'000 * scale), 2 * kNear); }
};

// A line of the table. An empty wish is a fact without one.
class Table {
 public:
  explicit Table(bool check) : check_(check) {}
  void Head(const std::string& text) const { fmt::print("\n{}\n", text); }
  void Fact(const std::string& what, const std::string& value) const {
    fmt::print("  {:<58} {}\n", what, value);
    std::fflush(stdout);
  }
  // `always`: does not depend on the machine, and is judged in every run.
  void Judge(const std::string& what, const std::string& value, const std::string& wish, bool good,
             bool always = false) {
    fmt::print("  {:<58} {}  ({}: {})\n", what, value, wish, good ? "yes" : "NO");
    std::fflush(stdout);
    if (!good && (check_ || always)) ++missed_;
  }
  int missed() const { return missed_; }

 private:
  const bool check_;
  int missed_ = 0;
};

class Bench {
 public:
  explicit Bench(const Settings& settings) : settings_(settings), table_(settings.check) {}

  int Run() {
    fmt::print(
        "{} nodes of {} slots; the controller, the simulated fleet and the callers on one "
        "machine\n",
        settings_.nodes(), settings_.slots);
    fleet_.MakeCertificates({"--nodes", std::to_string(settings_.nodes() - kNear)});
    fleet_.StartController();
    StartEcho();
    ConnectAll();
    Steady();
    Lists();
    Watches();
    const double rtt = Kills();
    Storm(rtt);
    Load();
    History();
    return table_.missed() == 0 ? 0 : 1;
  }

 private:
  std::vector<std::string> SimArguments() const {
    return {"--nodes",   std::to_string(settings_.nodes() - kNear),
            "--slots",   std::to_string(settings_.slots),
            "--churn",   fmt::format("{}", settings_.churn * settings_.nodes()),
            "--events",  fmt::format("{}", settings_.events * settings_.nodes()),
            "--journal", Journal("sim"),
            "--nice",    "10"};
  }
  std::vector<std::string> NearArguments() const {
    return {"--prefix",
            "near",
            "--nodes",
            std::to_string(kNear),
            "--slots",
            std::to_string(settings_.slots),
            "--threads",
            "1",
            "--journal",
            Journal("near"),
            "--kill-latency",
            "--spread",
            "0"};
  }
  std::string Journal(const std::string& name) const {
    return fmt::format("{}/{}.journal", fleet_.folder(), name);
  }

  void StartEcho() {
    e2e::Launch launch;
    launch.argv = {Program("fleet_bench"), "--echo-server", fleet_.folder() + "/ca/controller"};
    launch.out = fleet_.folder() + "/echo.out";
    launch.err = fleet_.folder() + "/echo.err";
    echo_ = e2e::Child(std::move(launch));
    echo_address_ = echo_.AwaitLine("listening on ", milliseconds(60'000));
  }

  Numbers AwaitStorm(std::size_t storms, seconds limit) {
    e2e::Await(
        limit, "all nodes connected",
        [&] {
          if (!sim_->Running()) throw HarnessError("fleetsim ended: " + sim_->Errors());
          if (!fleet_.controller().Running()) {
            throw HarnessError("the controller ended: " + Tail(fleet_.ControllerLog()));
          }
          return sim_->Lines("storm").size() >= storms;
        },
        [&] { return fmt::format("connected {}", sim_->Latest()["connected"]); });
    return sim_->Lines("storm").back();
  }

  static std::string Tail(const std::string& text) {
    return text.size() > 2000 ? text.substr(text.size() - 2000) : text;
  }

  void ConnectAll() {
    table_.Head("1. A whole fleet");
    near_ = fleet_.StartSimulator("near", NearArguments());
    AwaitAll(near_.get());
    sim_ = fleet_.StartSimulator("sim", SimArguments());
    const Numbers storm = AwaitStorm(1, seconds(600));
    table_.Fact("first connection of all, paced by the simulator",
                fmt::format("{:.1f} s", storm.at("took_s")));
    // Snapshots come after Welcome.
    AwaitSlots();
  }

  v1::FleetSummary Summary() {
    const auto stub = v1::FleetService::NewStub(
        MakeChannel(fleet_.address(), "127.0.0.1", fleet_.operator_tls()));
    v1::ListSlotsRequest request;
    request.set_page_size(1);
    v1::ListSlotsResponse response;
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + seconds(60));
    const grpc::Status status = stub->ListSlots(&context, request, &response);
    if (!status.ok()) throw HarnessError("ListSlots: " + status.error_message());
    return response.summary();
  }

  void AwaitSlots() {
    const std::int64_t wanted = std::int64_t{settings_.nodes()} * settings_.slots;
    v1::FleetSummary last;
    e2e::Await(
        seconds(600), "all slots reported",
        [&] {
          last = Summary();
          const bool all = last.slots() >= wanted;
          if (!all) std::this_thread::sleep_for(milliseconds(200));
          return all;
        },
        [&] { return last.ShortDebugString(); });
  }

  void Steady() {
    const pid_t pid = fleet_.controller().pid();
    const auto before = ProcessorTime(pid);
    const auto sim_before = ProcessorTime(sim_->pid());
    const auto start = SteadyClock::now();
    std::this_thread::sleep_for(seconds(settings_.steady_s));
    const std::chrono::duration<double> took = SteadyClock::now() - start;
    const auto share = [&](std::chrono::nanoseconds used) {
      return 100 * std::chrono::duration<double>(used).count() / took.count() / kProcessors;
    };
    const double used = share(ProcessorTime(pid) - before);
    const double resident = ResidentMiB(pid);
    table_.Judge("resident memory of the controller", fmt::format("{:.0f} MiB", resident),
                 "at most 3072 MiB", resident <= 3072);
    table_.Judge(fmt::format("processor of two cores, steady for {} s", settings_.steady_s),
                 fmt::format("{:.1f} %", used), "under 30 %", used < 30);
    table_.Fact("the simulator's own", fmt::format("{:.0f} MiB, {:.1f} %", ResidentMiB(sim_->pid()),
                                                   share(ProcessorTime(sim_->pid()) - sim_before)));
    table_.Fact("descriptors of the controller", fmt::format("{}", Descriptors(pid)));
  }

  void Lists() {
    table_.Head("2. Reading");
    WireLister lister(fleet_.address(), fleet_.operator_tls());
    const std::string middle = fmt::format("sim-{:05}", settings_.nodes() / 2);
    for (const std::string& filter :
         {"node=" + middle, std::string("state=quiet"), std::string("name=cache"),
          "name=web state=alive node=" + middle.substr(0, 7) + "*",
          std::string("state=hung,term_sent,kill_sent")}) {
      const FirstPages pages = lister.MeasureFirstPages(filter, settings_.list_calls);
      table_.Judge(
          fmt::format("first page of \"{}\", {} rows", filter, pages.rows),
          fmt::format("p50 {:.1f} ms, p99 {:.1f} ms", pages.times.Ms(0.5), pages.times.Ms(0.99)),
          "p99 at most 50 ms", pages.times.Ms(0.99) <= 50);
    }
    for (const int size : {1000, 5000}) {
      const WireLister::Full full = lister.MeasureFull(size);
      const double took = std::chrono::duration<double>(full.took).count();
      const double rate = static_cast<double>(full.rows) / took;
      const std::string what = fmt::format("full listing in pages of {}: {} rows, {:.1f} MB", size,
                                           full.rows, static_cast<double>(full.bytes) / 1e6);
      const std::string value = fmt::format("{:.2f} s, {:.0f} rows/s", took, rate);
      if (size == 5000) {
        table_.Judge(what, value, "at least 500,000 rows/s", rate >= 500'000);
      } else {
        table_.Fact(what, value);
      }
    }
  }

  void Watches() {
    const auto load = fleet_.StartSimulator(
        "watched", {"--prefix", "watched", "--nodes", "50", "--slots", "10", "--events", "2000",
                    "--burst", "4", "--spread", "1", "--journal", Journal("watched")});
    AwaitAll(load.get());
    const double before = ResidentMiB(fleet_.controller().pid());
    const auto period = seconds(std::min(settings_.steady_s, 30));
    WatchTimes times;
    double grown = 0;
    {
      const StoppedWatchers stopped(fleet_.address(), fleet_.operator_tls(), settings_.watchers);
      times = MeasureHealthyWatcher(fleet_.address(), fleet_.operator_tls(), period);
      grown = ResidentMiB(fleet_.controller().pid()) - before;
    }
    (void)load->End();
    if (!times.error.empty()) {
      table_.Fact("watchers", times.error);
      return;
    }
    table_.Judge(fmt::format("{} stopped watchers of 2,000 events/s", settings_.watchers),
                 fmt::format("{:.0f} MiB", grown), "at most 64 MiB", grown <= 64);
    table_.Judge(
        fmt::format("a healthy one beside them, {} events, {} resyncs", times.delay.size(),
                    times.resyncs),
        fmt::format("p50 {:.0f} ms, p99 {:.0f} ms", times.delay.Ms(0.5), times.delay.Ms(0.99)),
        "p99 below 1 s", !times.delay.empty() && times.delay.Ms(0.99) < 1000);
  }

  static void AwaitAll(Simulator* sim) {
    e2e::Await(
        seconds(120), "all nodes connected",
        [&] {
          if (!sim->Running()) throw HarnessError("fleetsim ended: " + sim->Errors());
          return !sim->Lines("storm").empty();
        },
        [&] { return sim->Errors(); });
  }

  KillBench MakeKills() const {
    std::vector<std::string> nodes;
    for (int i = 1; i <= kNear; ++i) nodes.push_back(fmt::format("near-{:05}", i));
    return KillBench(fleet_.address(), fleet_.operator_tls(), nodes, Journal("near"));
  }

  void Tell(const std::string& name, const KillTimes& times) const {
    table_.Fact(name + fmt::format(", {} kills: order at its node", times.to_node.size()),
                fmt::format("p50 {:.2f} ms, p99 {:.2f} ms, worst {:.2f} ms", times.to_node.Ms(0.5),
                            times.to_node.Ms(0.99), times.to_node.Ms(1)));
    table_.Fact(name + ", verdict committed and back",
                fmt::format("p50 {:.2f} ms, p99 {:.2f} ms, worst {:.2f} ms", times.whole.Ms(0.5),
                            times.whole.Ms(0.99), times.whole.Ms(1)));
    if (times.failed > 0) {
      table_.Fact(name + ", failed", fmt::format("{}: {}", times.failed, times.failure));
    }
  }

  // Returns the median of the bare round trip in milliseconds.
  double Kills() {
    table_.Head("3. A warm kill, operator to controller to node");
    const auto for_ever = SteadyClock::time_point::max();
    const Samples echo =
        MeasureEcho(echo_address_, fleet_.operator_tls(), settings_.kills, milliseconds(5));
    const double rtt = echo.Ms(0.5);
    table_.Fact("bare stream round trip with mTLS, 5 ms apart",
                fmt::format("p50 {:.2f} ms, p99 {:.2f} ms", rtt, echo.Ms(0.99)));
    const KillTimes idle = MakeKills().Measure("idle", settings_.kills, milliseconds(5), for_ever);
    Tell("idle", idle);
    table_.Judge("idle: order at its node against the bare round trip",
                 fmt::format("{:.1f} x", idle.to_node.Ms(0.5) / rtt), "at most 3 x",
                 idle.to_node.Ms(0.5) <= 3 * rtt);
    table_.Judge("idle: p99", fmt::format("{:.2f} ms", idle.to_node.Ms(0.99)), "at most 5 ms",
                 idle.to_node.Ms(0.99) <= 5);
    table_.Judge("idle: kills that failed", fmt::format("{}", idle.failed), "none",
                 idle.failed == 0, /*always=*/true);
    const KillTimes paced =
        MakeKills().Measure("paced", settings_.paced_kills, milliseconds(1050), for_ever);
    Tell("1.05 s apart", paced);
    table_.Judge("1.05 s apart: samples above 20 ms",
                 fmt::format("{}", paced.to_node.Above(milliseconds(20))), "none",
                 paced.to_node.Above(milliseconds(20)) == 0);
    return rtt;
  }

  void Storm(double rtt) {
    table_.Head("1b. kill -9 of the controller, and back");
    const std::size_t storms = sim_->Lines("storm").size();
    fleet_.KillController();
    const auto killed = SteadyClock::now();
    fleet_.StartController();
    const std::chrono::duration<double> started = SteadyClock::now() - killed;
    table_.Fact("the controller listens again after", fmt::format("{:.2f} s", started.count()));
    KillTimes kills;
    std::thread killer([&] {
      // While nodes arrive, and no longer.
      kills = MakeKills().Measure("storm", settings_.kills, milliseconds(20),
                                  SteadyClock::now() + seconds(100));
    });
    const double resident_before = ResidentMiB(fleet_.controller().pid());
    Numbers storm;
    try {
      storm = AwaitStorm(storms + 1, seconds(600));
    } catch (...) {
      killer.join();
      throw;
    }
    const double took = storm.at("took_s");
    table_.Judge("all reconnected after", fmt::format("{:.1f} s", took), "at most 120 s",
                 took <= 120);
    // Below a hundred nodes a tenth of them is a handful, and says nothing.
    table_.Judge(
        "most arrivals in one second",
        fmt::format("{:.0f} ({:.1f} %)", storm.at("most_in_a_second"), storm.at("most_percent")),
        "at most 10 %", storm.at("most_percent") <= 10);
    AwaitSlots();
    table_.Fact("resident memory, right after the start and with all slots",
                fmt::format("{:.0f} MiB, {:.0f} MiB", resident_before,
                            ResidentMiB(fleet_.controller().pid())));
    killer.join();
    Tell("during the storm", kills);
    table_.Judge("during the storm: p99", fmt::format("{:.2f} ms", kills.to_node.Ms(0.99)),
                 "at most 50 ms", kills.to_node.Ms(0.99) <= 50);
    table_.Fact("during the storm: median against the bare round trip",
                fmt::format("{:.1f} x", kills.to_node.Ms(0.5) / rtt));
    // Those of another prefix did leave.
    const std::size_t lost =
        CountEvents("kind=node_lost node=sim-*") + CountEvents("kind=node_lost node=near-*");
    table_.Judge("NODE_LOST events, where no node was lost", fmt::format("{}", lost), "none",
                 lost == 0, /*always=*/true);
  }

  std::size_t CountEvents(const std::string& filter) {
    const auto stub = v1::FleetService::NewStub(
        MakeChannel(fleet_.address(), "127.0.0.1", fleet_.operator_tls()));
    v1::ListEventsRequest request;
    request.set_filter(filter);
    v1::ListEventsResponse response;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(60));
    const grpc::Status status = stub->ListEvents(&context, request, &response);
    if (!status.ok()) throw HarnessError("ListEvents: " + status.error_message());
    return static_cast<std::size_t>(response.events_size());
  }

  void Load() {
    table_.Head("4. Events");
    const auto load = fleet_.StartSimulator(
        "load", {"--prefix", "load", "--nodes", "200", "--slots", "10", "--events",
                 fmt::format("{}", settings_.load_events), "--burst", "50", "--spread", "1",
                 "--events-kept", "20000", "--journal", Journal("load")});
    AwaitAll(load.get());
    const auto before = ProcessorTime(fleet_.controller().pid());
    const auto start = SteadyClock::now();
    std::this_thread::sleep_for(seconds(settings_.load_s));
    const std::chrono::duration<double> took = SteadyClock::now() - start;
    const double used =
        100 *
        std::chrono::duration<double>(ProcessorTime(fleet_.controller().pid()) - before).count() /
        took.count() / kProcessors;
    const Numbers end = load->End();
    // From its very start: what was late to begin with is not made up for.
    const double mean = end.at("events_acked") / end.at("seconds");
    table_.Judge(fmt::format("committed, of {:.0f} events/s from 200 nodes over {} s",
                             settings_.load_events, settings_.load_s),
                 fmt::format("{:.0f}/s", mean), "at least 20,000/s", mean >= 20'000);
    table_.Fact("event to acknowledgement",
                fmt::format("p50 {:.0f} ms, p99 {:.0f} ms; folded into EVENTS_LOST: {:.0f}",
                            end.at("ack_ms_p50"), end.at("ack_ms_p99"), end.at("events_lost")));
    table_.Fact("processor of two cores meanwhile", fmt::format("{:.1f} %", used));
  }

  void History() {
    table_.Head("The history");
    const Numbers end = sim_->End();
    (void)near_->End();
    table_.Fact("the fleet: events acknowledged, resyncs, tries to connect",
                fmt::format("{:.0f}, {:.0f}, {:.0f}", end.at("events_acked"), end.at("resyncs"),
                            end.at("tries")));
    e2e::Launch launch;
    launch.argv = {Program("history_check"), fleet_.database(),  Journal("sim"),
                   Journal("near"),          Journal("watched"), Journal("load")};
    const e2e::Finished checked = e2e::RunToEnd(std::move(launch), milliseconds(600'000));
    std::string text = checked.out + checked.err;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    table_.Judge("history_check", text, "no fault", checked.exit_code == 0, /*always=*/true);
  }

  const Settings settings_;
  Table table_;
  BenchFleet fleet_;
  e2e::Child echo_;
  std::string echo_address_;
  std::unique_ptr<Simulator> sim_;
  std::unique_ptr<Simulator> near_;
};

int Main(int argc, char** argv) {
  Settings settings;
  CLI::App app("Measures a controller at fleet scale.", "fleet_bench");
  app.add_option("--scale", settings.scale, "1 is 10,000 nodes (1)")->check(CLI::Range(0.0, 4.0));
  app.add_option("--slots", settings.slots, "Slots of each node (100)");
  app.add_option("--steady", settings.steady_s, "Seconds of the steady state (60)");
  app.add_option("--list-calls", settings.list_calls, "First pages for each filter (500)");
  app.add_option("--kills", settings.kills, "Kills in each part (300)");
  app.add_option("--paced-kills", settings.paced_kills, "Kills 1.05 s apart (60)");
  app.add_option("--watchers", settings.watchers, "Stopped watchers (200)");
  app.add_option("--load", settings.load_s, "Seconds of events (20)");
  app.add_option("--load-events", settings.load_events, "Events a second then (30000)");
  app.add_flag("--check", settings.check, "Exit code 1 where a figure misses what is promised");
  app.add_option("--echo-server", settings.echo_tls, "Used by the program itself");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  try {
    if (settings.echo_tls.empty()) return Bench(settings).Run();
    const auto tls = ReadTls({settings.echo_tls + "/ca.crt", settings.echo_tls + "/cert.pem",
                              settings.echo_tls + "/key.pem"});
    return tls.ok() ? ServeEcho(*tls) : 1;
  } catch (const std::exception& e) {
    fmt::print(stderr, "fleet_bench: {}\n", e.what());
    return 1;
  }
}

}  // namespace
}  // namespace procctl::bench

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return procctl::bench::Main(argc, argv);
}
