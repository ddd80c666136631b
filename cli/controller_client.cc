#include "cli/controller_client.h"

#include <grpcpp/client_context.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "proto/support/channel.h"
#include "proto/support/escape.h"
#include "proto/support/status.h"
#include "proto/support/tls_probe.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

constexpr std::chrono::milliseconds kProbeTimeout{2000};
constexpr int kNewestLookedAt = 5000;

// gRPC takes wall-clock deadlines; ours are monotonic.
void SetTimeout(Timeout timeout, grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() +
                        std::chrono::duration_cast<std::chrono::system_clock::duration>(timeout));
}

// Calls `rpc` for page after page. `take` gets each response, and returns false to stop there.
template <typename Request, typename Response, typename Rpc, typename Take>
grpc::Status AllPages(Request request, Timeout timeout, Rpc rpc, Take take) {
  for (;;) {
    grpc::ClientContext context;
    SetTimeout(timeout, &context);
    Response response;
    const grpc::Status status = rpc(&context, request, &response);
    if (!status.ok()) return status;
    const std::string next = response.next_page_token();
    // The same page for ever would be the alternative.
    if (!next.empty() && next == request.page_token()) {
      return {grpc::StatusCode::INTERNAL, "the controller repeats a page of the list"};
    }
    if (!take(std::move(response)) || next.empty()) return grpc::Status::OK;
    request.set_page_token(next);
  }
}

// What gRPC itself says about connections: words for its developers, not for ours.
bool IsGrpcsOwn(const std::string& message) {
  static constexpr std::string_view kMarks[] = {"failed to connect to all addresses",
                                                "Socket closed",
                                                "Connection reset",
                                                "Broken pipe",
                                                "GOAWAY",
                                                "keepalive",
                                                "recvmsg",
                                                "sendmsg",
                                                "DNS resolution failed",
                                                "Endpoint read failed",
                                                "handshake",
                                                "Stream removed",
                                                "Transport closed",
                                                "empty address",
                                                "transport",
                                                "Received RST_STREAM",
                                                "Received http2",
                                                "Connect Failed"};
  return message.empty() || std::any_of(std::begin(kMarks), std::end(kMarks), [&](auto mark) {
           return message.find(mark) != std::string::npos;
         });
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> ControllerClient::Make(const Connection& connection) {
  auto tls = ReadTls(connection.tls);
  if (!tls.ok()) return tls.status();
  return std::unique_ptr<Client>(new ControllerClient(connection, std::move(*tls)));
}

ControllerClient::ControllerClient(Connection connection, TlsPem tls)
    : connection_(std::move(connection)),
      tls_(std::move(tls)),
      stub_(v1::FleetService::NewStub(
          MakeChannel(connection_.controller, connection_.server_name, tls_))) {}

absl::StatusOr<SlotList> ControllerClient::ListSlots(const std::string& filter, Timeout timeout,
                                                     bool with_usage) {
  SlotList list;
  v1::ListSlotsRequest request;
  request.set_filter(filter);
  request.set_with_usage(with_usage);
  bool first = true;
  const grpc::Status status = AllPages<v1::ListSlotsRequest, v1::ListSlotsResponse>(
      request, timeout,
      [&](auto* context, const auto& r, auto* response) {
        return stub_->ListSlots(context, r, response);
      },
      [&](v1::ListSlotsResponse page) {
        if (first) list.summary = page.summary();
        first = false;
        list.as_of = page.as_of();
        for (v1::FleetSlot& slot : *page.mutable_slots()) list.slots.push_back(std::move(slot));
        return true;
      });
  if (!status.ok()) return Explain(status);
  return list;
}

absl::StatusOr<NodeList> ControllerClient::ListNodes(const std::string& filter, Timeout timeout) {
  NodeList list;
  v1::ListNodesRequest request;
  request.set_filter(filter);
  const grpc::Status status = AllPages<v1::ListNodesRequest, v1::ListNodesResponse>(
      request, timeout,
      [&](auto* context, const auto& r, auto* response) {
        return stub_->ListNodes(context, r, response);
      },
      [&](v1::ListNodesResponse page) {
        list.as_of = page.as_of();
        for (v1::Node& node : *page.mutable_nodes()) list.nodes.push_back(std::move(node));
        return true;
      });
  if (!status.ok()) return Explain(status);
  return list;
}

grpc::Status ControllerClient::EventPages(v1::ListEventsRequest request, Timeout timeout,
                                          const std::function<bool(v1::ListEventsResponse)>& take) {
  const bool bounded = request.newest() > 0;
  return AllPages<v1::ListEventsRequest, v1::ListEventsResponse>(
      std::move(request), timeout,
      [&](auto* context, const auto& r, auto* response) {
        if (!bounded || r.page_token().empty()) return stub_->ListEvents(context, r, response);
        v1::ListEventsRequest following = r;
        following.clear_newest();  // only the first page may carry it
        return stub_->ListEvents(context, following, response);
      },
      take);
}

absl::Status ControllerClient::ListEvents(
    v1::ListEventsRequest request, Timeout timeout,
    const std::function<void(const v1::ListEventsResponse&)>& on_page) {
  return Explain(EventPages(std::move(request), timeout, [&](const v1::ListEventsResponse& page) {
    on_page(page);
    return true;
  }));
}

absl::StatusOr<v1::StoredEvent> ControllerClient::FindEvent(const v1::EventId& id,
                                                            Timeout timeout) {
  std::optional<v1::StoredEvent> found;
  v1::ListEventsRequest request;
  // A controller's own events are about any node.
  if (id.origin().front() != '@') request.set_filter("node=" + id.origin());
  for (const int newest : {kNewestLookedAt, 0}) {
    request.set_newest(newest);
    const grpc::Status status =
        EventPages(request, timeout, [&](const v1::ListEventsResponse& page) {
          for (const v1::StoredEvent& stored : page.events()) {
            const v1::EventId& other = stored.event().id();
            if (other.origin() == id.origin() && other.epoch() == id.epoch() &&
                other.seq() == id.seq()) {
              found = stored;
              return false;
            }
          }
          return true;
        });
    if (!status.ok()) return Explain(status);
    if (found) return *std::move(found);
  }
  return absl::NotFoundError(
      fmt::format("no event {}:{}:{} is recorded; `procctl-cli events` shows "
                  "what there is",
                  id.origin(), id.epoch(), id.seq()));
}

absl::StatusOr<v1::CountSlotsResponse> ControllerClient::CountSlots(
    const v1::CountSlotsRequest& request, Timeout timeout) {
  grpc::ClientContext context;
  SetTimeout(timeout, &context);
  v1::CountSlotsResponse response;
  const grpc::Status status = stub_->CountSlots(&context, request, &response);
  if (!status.ok()) return Explain(status);
  return response;
}

absl::StatusOr<v1::GetFleetResponse> ControllerClient::GetFleet(Timeout timeout) {
  grpc::ClientContext context;
  SetTimeout(timeout, &context);
  v1::GetFleetResponse response;
  const grpc::Status status = stub_->GetFleet(&context, {}, &response);
  if (!status.ok()) return Explain(status);
  return response;
}

absl::StatusOr<v1::DescribeResponse> ControllerClient::Describe(const std::string& node,
                                                                int64_t generation,
                                                                Timeout timeout) {
  grpc::ClientContext context;
  SetTimeout(timeout, &context);
  v1::DescribeRequest request;
  request.set_node(node);
  request.set_generation(generation);
  v1::DescribeResponse response;
  const grpc::Status status = stub_->Describe(&context, request, &response);
  if (!status.ok()) return Explain(status);
  return response;
}

absl::Status ControllerClient::ForgetNode(const v1::ForgetNodeRequest& request, Timeout timeout) {
  grpc::ClientContext context;
  SetTimeout(timeout, &context);
  v1::ForgetNodeResponse response;
  const grpc::Status status = stub_->ForgetNode(&context, request, &response);
  return status.ok() ? absl::OkStatus() : Explain(status);
}

absl::StatusOr<v1::HoldSlotsResponse> ControllerClient::Hold(const v1::HoldSlotsRequest& request,
                                                             Timeout timeout) {
  grpc::ClientContext context;
  SetTimeout(timeout, &context);
  v1::HoldSlotsResponse response;
  const grpc::Status status = stub_->HoldSlots(&context, request, &response);
  if (!status.ok()) return Explain(status);
  return response;
}

absl::StatusOr<ProgramList> ControllerClient::ListPrograms(const std::string& filter,
                                                           Timeout timeout, bool with_usage) {
  ProgramList list;
  v1::ListProgramsRequest request;
  request.set_filter(filter);
  request.set_with_usage(with_usage);
  const grpc::Status status = AllPages<v1::ListProgramsRequest, v1::ListProgramsResponse>(
      request, timeout,
      [&](auto* context, const auto& r, auto* response) {
        return stub_->ListPrograms(context, r, response);
      },
      [&](v1::ListProgramsResponse page) {
        list.as_of = page.as_of();
        for (v1::FleetProgram& row : *page.mutable_programs()) {
          list.programs.push_back(std::move(row));
        }
        return true;
      });
  if (!status.ok()) return Explain(status);
  return list;
}

absl::StatusOr<v1::ControlProgramsResponse> ControllerClient::ControlPrograms(
    const v1::ControlProgramsRequest& request, Timeout timeout) {
  grpc::ClientContext context;
  SetTimeout(timeout, &context);
  v1::ControlProgramsResponse response;
  const grpc::Status status = stub_->ControlPrograms(&context, request, &response);
  if (!status.ok()) return Explain(status);
  return response;
}

absl::StatusOr<v1::OutputChunk> ControllerClient::ReadOutput(const v1::ReadOutputRequest& request,
                                                             Timeout timeout,
                                                             const std::stop_token& stop) {
  grpc::ClientContext context;
  SetTimeout(timeout, &context);
  // From the thread that requests the stop; TryCancel allows that.
  const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
  v1::ReadOutputResponse response;
  const grpc::Status status = stub_->ReadOutput(&context, request, &response);
  if (stop.stop_requested()) return absl::CancelledError("interrupted");
  if (!status.ok()) return Explain(status);
  return std::move(*response.mutable_chunk());
}

absl::Status ControllerClient::Watch(
    const v1::WatchRequest& request, const std::stop_token& stop,
    const std::function<bool(const v1::WatchResponse&)>& on_message) {
  grpc::ClientContext context;
  // From the thread that requests the stop; TryCancel allows that.
  const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
  const auto stream = stub_->Watch(&context, request);
  bool enough = false;
  v1::WatchResponse message;
  while (stream->Read(&message)) {
    enough = !on_message(message);
    if (!enough) continue;
    context.TryCancel();
    break;
  }
  const grpc::Status status = stream->Finish();
  if (enough) return absl::OkStatus();
  if (stop.stop_requested()) return absl::CancelledError("interrupted");
  if (status.ok()) return absl::UnavailableError("the controller ended the watch");
  // Too many watches: its own words.
  if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) return FromGrpc(status);
  return Explain(status);
}

absl::Status ControllerClient::Kill(
    const v1::KillSlotsRequest& request, Deadline deadline, std::stop_token stop,
    const std::function<void(const v1::KillSlotsResponse&)>& on_message) {
  grpc::ClientContext context;
  SetTimeout(deadline - std::chrono::steady_clock::now(), &context);
  // From the thread that requests the stop; TryCancel allows that.
  const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
  const auto stream = stub_->KillSlots(&context, request);
  v1::KillSlotsResponse message;
  while (stream->Read(&message)) on_message(message);
  const grpc::Status status = stream->Finish();
  if (stop.stop_requested()) return absl::CancelledError("interrupted");
  return Explain(status);
}

absl::Status ControllerClient::Explain(const grpc::Status& status) const {
  const std::string& where = connection_.controller;
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
      return absl::OkStatus();
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::DEADLINE_EXCEEDED: {
      // A controller's own words about a node that did not answer it; gRPC's are these two.
      if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED &&
          !status.error_message().empty() && status.error_message() != "Deadline Exceeded") {
        return FromGrpc(status);
      }
      if (auto probe = ProbeTls(where, connection_.server_name, tls_, kProbeTimeout); !probe.ok()) {
        return probe;
      }
      if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
        return absl::DeadlineExceededError(fmt::format(
            "the controller at {} did not answer in time; try again, or wait longer with --timeout",
            where));
      }
      if (IsGrpcsOwn(status.error_message())) {
        return absl::UnavailableError(fmt::format(
            "the controller at {} broke off the call; it may be restarting: try again", where));
      }
      return FromGrpc(status);
    }
    case grpc::StatusCode::PERMISSION_DENIED:
      return absl::PermissionDeniedError("not allowed: " + status.error_message());
    case grpc::StatusCode::UNIMPLEMENTED:
      // gRPC's own word for an answer that came but could not be parsed.
      if (status.error_message() == "No message returned for unary request") {
        return absl::InternalError(fmt::format(
            "the answer of the controller at {} cannot be read (it is malformed)", where));
      }
      return absl::UnimplementedError(fmt::format(
          "the server at {} does not know this call; is it a procctl-controller of this version?",
          where));
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return absl::InternalError(fmt::format(
          "the answer of the controller at {} cannot be used: {}", where, status.error_message()));
    default:
      return FromGrpc(status);
  }
}

}  // namespace procctl::cli
