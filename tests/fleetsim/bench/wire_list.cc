#include "tests/fleetsim/bench/wire_list.h"

#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <vector>

#include "google/protobuf/io/coded_stream.h"
#include "procctl/v1/fleet_service.pb.h"
#include "proto/support/channel.h"
#include "tests/e2e/harness/wait.h"

namespace procctl::bench {
namespace {

constexpr std::uint32_t kLengthDelimited = 2;
constexpr std::uint32_t kRows = 1;
constexpr std::uint32_t kToken = 2;

[[noreturn]] void NoMessage() { throw e2e::HarnessError("a page that is no message"); }

}  // namespace

PageFacts ReadPage(std::string_view bytes) {
  PageFacts facts;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                            static_cast<int>(bytes.size()));
  while (const std::uint32_t tag = in.ReadTag()) {
    std::uint32_t size = 0;
    // Both lists hold only messages and texts at this level.
    if ((tag & 7) != kLengthDelimited || !in.ReadVarint32(&size)) NoMessage();
    const std::uint32_t field = tag >> 3;
    if (field == kToken) {
      if (!in.ReadString(&facts.next_page_token, static_cast<int>(size))) NoMessage();
    } else if (!in.Skip(static_cast<int>(size))) {
      NoMessage();
    }
    if (field == kRows) ++facts.rows;
  }
  if (!in.ConsumedEntireMessage()) NoMessage();
  return facts;
}

struct WireLister::Call {
  explicit Call(std::shared_ptr<grpc::Channel> channel) : stub(std::move(channel)) {}
  grpc::GenericStub stub;
  grpc::CompletionQueue queue;
};

WireLister::WireLister(const std::string& address, const TlsPem& tls)
    : call_(std::make_unique<Call>(MakeChannel(address, "127.0.0.1", tls))) {}

WireLister::~WireLister() {
  call_->queue.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (call_->queue.Next(&tag, &ok)) {
  }
}

std::string WireLister::Page(const std::string& filter, int page_size, const std::string& token) {
  v1::ListSlotsRequest request;
  request.set_filter(filter);
  request.set_page_size(page_size);
  request.set_page_token(token);
  const grpc::Slice slice(request.SerializeAsString());
  const grpc::ByteBuffer bytes(&slice, 1);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  context.set_wait_for_ready(true);
  auto reader = call_->stub.PrepareUnaryCall(&context, "/procctl.v1.FleetService/ListSlots", bytes,
                                             &call_->queue);
  reader->StartCall();
  grpc::ByteBuffer answer;
  grpc::Status status;
  reader->Finish(&answer, &status, this);
  void* tag = nullptr;
  bool ok = false;
  call_->queue.Next(&tag, &ok);
  if (!status.ok()) throw e2e::HarnessError("ListSlots: " + status.error_message());
  std::vector<grpc::Slice> slices;
  (void)answer.Dump(&slices);
  std::string page;
  for (const grpc::Slice& part : slices) {
    page.append(reinterpret_cast<const char*>(part.begin()), part.size());
  }
  return page;
}

FirstPages WireLister::MeasureFirstPages(const std::string& filter, int calls) {
  FirstPages measured;
  (void)Page(filter, 1000, "");  // makes the connection
  for (int i = 0; i < calls; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const std::string page = Page(filter, 1000, "");
    measured.times.Add(std::chrono::steady_clock::now() - start);
    measured.rows = ReadPage(page).rows;
  }
  return measured;
}

WireLister::Full WireLister::MeasureFull(int page_size) {
  Full full;
  const auto start = std::chrono::steady_clock::now();
  std::string token;
  do {
    const std::string page = Page("", page_size, token);
    PageFacts facts = ReadPage(page);
    full.rows += facts.rows;
    full.bytes += static_cast<std::int64_t>(page.size());
    ++full.pages;
    token = std::move(facts.next_page_token);
  } while (!token.empty());
  full.took = std::chrono::steady_clock::now() - start;
  return full;
}

}  // namespace procctl::bench
