#include "controller/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "controller/rpc/accept_loop.h"
#include "controller/rpc/call_guard.h"
#include "controller/rpc/clocks.h"
#include "controller/rpc/fleet_service.h"
#include "controller/rpc/flood_watch.h"
#include "controller/rpc/health_board.h"
#include "controller/rpc/keep_awake.h"
#include "controller/rpc/process_gauges.h"
#include "controller/rpc/self_watch.h"
#include "controller/rpc/ticker.h"
#include "controller/store/local_engine.h"
#include "proto/support/server_arguments.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

constexpr int kReaderThreads = 2;
// Liveness, overdue orders.
constexpr std::chrono::milliseconds kTick{250};
// Sessions have their turn as often, a tenth of them every 25 ms.
constexpr unsigned kParts = 10;
// Far from the one second around which gRPC's threads nap, and so often that a flood which captures
// them is found while it has cost some tens of megabytes.
constexpr std::chrono::milliseconds kPoke{25};
constexpr int kMostRememberedRequests = 1'000'000;
// With its callback threads so far behind a controller has not heard what nodes say: their silence
// is not counted. A few ticks.
constexpr std::chrono::seconds kDeaf{1};
// The accept loop is the first to close whoever stalls: it counts and tells them.
constexpr std::chrono::seconds kHandshakeMargin{1};
// Below, gRPC could not even hold its connections.
constexpr std::int64_t kLeastQuota = 64 << 20;
// All streams have been ended by then; what is left is a peer that answers nothing.
constexpr std::chrono::seconds kShutdownTime{2};

// Linking gRPC's reflection is enough to have it in every server; this takes it out again.
class WithoutReflection : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->erase(std::remove_if(plugins->begin(), plugins->end(),
                                  [](const auto& plugin) {
                                    return plugin->name() == "proto_server_reflection";
                                  }),
                   plugins->end());
  }
};

std::int64_t MemoryLimit(const ServerOptions& options) {
  return options.memory > 0 ? options.memory
                            : DefaultMemoryLimit(MachineMemory(), CgroupMemoryLimit());
}

class ServerImpl final : public Server {
 public:
  ServerImpl(const ServerOptions& options, std::unique_ptr<Engine> engine,
             std::unique_ptr<AcceptLoop> accept_loop)
      : engine_(std::move(engine)),
        readers_(kReaderThreads),
        fleet_(options.liveness, &engine_->commit_log(), &engine_->coordinator()),
        kills_({&fleet_, engine_.get(), &readers_, &known_requests_}),
        answers_({&fleet_, engine_.get(), &readers_, &known_requests_}),
        details_(&fleet_),
        sessions_(&fleet_, engine_.get()),
        gatekeeper_(options.identity.fleet, &engine_->commit_log(), &accept_loop->newcomers()),
        world_{&fleet_,
               engine_.get(),
               &kills_,
               &answers_,
               &details_,
               &sessions_,
               &gatekeeper_,
               &admission_,
               options.identity.id,
               options.heartbeat_interval,
               options.orders_without_disk},
        watches_(&fleet_, &tail_, &engine_->history(), &readers_, &admission_, options.watches),
        plans_(options.order_limits, &fleet_),
        fleet_service_(options.identity.fleet, &world_, &readers_, &watches_, &plans_),
        node_service_(&world_),
        accept_loop_(std::move(accept_loop)) {}
  ~ServerImpl() override { Stop(); }

  absl::Status LoadState() {
    auto nodes = engine_->coordinator().KnownNodes();
    if (!nodes.ok()) return nodes.status();
    fleet_.AddKnown(*nodes);
    auto forgotten = engine_->coordinator().ForgottenNodes();
    if (!forgotten.ok()) return forgotten.status();
    fleet_.AddForgotten(*forgotten);
    auto requests = engine_->history().RequestIds(kMostRememberedRequests);
    if (!requests.ok()) return requests.status();
    known_requests_.Add(*requests, requests->size() < kMostRememberedRequests);
    EventQuery newest;
    newest.newest = 1;
    const auto last = engine_->history().Query(newest);
    if (!last.ok()) return last.status();
    tail_.StartAt(last->events.empty() ? 0 : last->events.back().position);
    engine_->commit_log().Follow(
        [this](const Committed& committed) { tail_.OnCommitted(committed); });
    auto orders = engine_->history().OpenOrders();
    if (!orders.ok()) return orders.status();
    kills_.Load(*std::move(orders));
    return absl::OkStatus();
  }

  absl::Status Serve(const ServerOptions& options) {
    grpc::EnableDefaultHealthCheckService(true);
    // Linking it registers it with every builder made after this; the reference is what links it.
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    ApplyServerArguments(&builder, std::chrono::duration_cast<std::chrono::milliseconds>(
                                       options.connections.handshake_timeout + kHandshakeMargin));
    if (options.reflection) {
      // Reflection is served by threads of the synchronous API: one of each is plenty.
      builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
      builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 1);
    } else {
      builder.SetOption(std::make_unique<WithoutReflection>());
    }
    // The last resort, for what the self-watch cannot refuse: messages that callers with a
    // certificate begin and never finish. Only gRPC's own buffers count, so this takes hold when
    // they alone fill what the whole controller may use; then streams are cancelled, whose they are
    // is chance, which is better than a kernel that kills all at once.
    grpc::ResourceQuota quota("procctl");
    quota.Resize(static_cast<size_t>(std::max(MemoryLimit(options), kLeastQuota)));
    builder.SetResourceQuota(quota);
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> guards;
    guards.push_back(MakeCallGuard(call_guard_));
    builder.experimental().SetInterceptorCreators(std::move(guards));
    builder.RegisterService(&fleet_service_);
    builder.RegisterService(&node_service_);
    auto acceptor = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        MakeServerCredentials(options.tls));
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) {
      return absl::InternalError("gRPC did not start; see its log lines above");
    }
    keep_awake_.emplace(server_.get());
    health_.emplace(server_->GetHealthCheckService());
    WatchSelf(options);
    health_->Show(true);
    poker_.emplace(kPoke, [this, part = 0U]() mutable {
      if (keep_awake_->Unanswered() >= kPoke) CutFloods();
      keep_awake_->Poke();
      fleet_.TickSessions(part++ % kParts, kParts);
    });
    ticker_.emplace(kTick, [this] {
      const bool deaf = keep_awake_->Unanswered() > kDeaf;
      accept_loop_->probe().Tick(MonoNow());
      self_watch_->Tick(MonoNow());
      health_->Show(self_watch_->ready());
      fleet_.Tick(deaf);
      kills_.Tick();
      answers_.Tick();
      details_.Tick();
    });
    accept_loop_->Start(std::move(acceptor));
    return absl::OkStatus();
  }

  const std::string& address() const override { return accept_loop_->address(); }

  void Stop() override {
    accept_loop_->Stop();
    if (server_ == nullptr) return;
    // For good: the ticker still runs.
    health_->Close();
    fleet_service_.StopOrders();
    node_service_.StopSessions();
    fleet_.StopReadingAll();
    readers_.Stop();
    // Commits what the nodes have sent; the acknowledgements go out before their sessions end.
    engine_->Stop();
    fleet_.DrainAll();
    fleet_service_.DrainCalls();
    watches_.Stop();
    keep_awake_->Stop();
    // The tickers cut what takes no more; without them one such stream would hold up the shutdown.
    server_->Shutdown(std::chrono::system_clock::now() + kShutdownTime);
    server_->Wait();
    poker_.reset();
    ticker_.reset();
    keep_awake_.reset();
    server_.reset();
  }

 private:
  void CutFloods() {
    for (const std::string& peer : Flooding(CountStreams(), CallGuard::kMostUnfinished)) {
      call_guard_->Cut(peer, MonoNow());
    }
  }

  void WatchSelf(const ServerOptions& options) {
    SelfWatch::Limits limits;
    limits.memory = MemoryLimit(options);
    limits.descriptors = options.descriptor_limit;
    self_watch_.emplace(
        limits,
        SelfWatch::Sources{ResidentMemory, OpenDescriptors,
                           [this] { return accept_loop_->probe().deaf(); },
                           [this] { return keep_awake_->Unanswered(); },
                           [this] { return engine_->disk().kind == DiskState::Kind::kOk; }},
        &engine_->commit_log(), &admission_);
  }

  // In this order: each needs those above it.
  std::unique_ptr<Engine> engine_;
  ReaderThreads readers_;
  Fleet fleet_;
  KnownRequests known_requests_;
  KillDesk kills_;
  AnswerDesk answers_;
  DetailDesk details_;
  SessionDesk sessions_;
  Gatekeeper gatekeeper_;
  Admission admission_;
  EventTail tail_;
  // Shared: a call may be let go of after everything else.
  const std::shared_ptr<CallGuard> call_guard_ = std::make_shared<CallGuard>(
      [this](const std::string& peer) { accept_loop_->newcomers().Shun(peer, MonoNow()); });
  const SessionWorld world_;
  WatchHub watches_;
  PlanDesk plans_;
  FleetServiceImpl fleet_service_;
  NodeServiceImpl node_service_;
  std::unique_ptr<AcceptLoop> accept_loop_;
  std::unique_ptr<grpc::Server> server_;
  std::optional<KeepAwake> keep_awake_;
  std::optional<HealthBoard> health_;
  std::optional<SelfWatch> self_watch_;
  std::optional<Ticker> ticker_;
  std::optional<Ticker> poker_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options) {
  // The folder's lock comes first: a second controller must fail before it listens.
  auto engine = OpenLocalEngine(options.state_dir, options.identity.id, options.history);
  if (!engine.ok()) return engine.status();
  auto accept_loop =
      AcceptLoop::Listen(options.listen, options.descriptor_limit, options.connections);
  if (!accept_loop.ok()) return accept_loop.status();
  auto server = std::make_unique<ServerImpl>(options, *std::move(engine), *std::move(accept_loop));
  if (absl::Status loaded = server->LoadState(); !loaded.ok()) return loaded;
  if (absl::Status serving = server->Serve(options); !serving.ok()) return serving;
  return server;
}

}  // namespace procctl::controller
