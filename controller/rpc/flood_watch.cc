#include "controller/rpc/flood_watch.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <grpc/grpc.h>
#include <grpc/support/alloc.h>

#include <charconv>
#include <memory>
#include <optional>

namespace procctl::controller {
namespace {

using google::protobuf::ListValue;
using google::protobuf::Struct;

constexpr std::intptr_t kMostAtOnce = 500;  // sockets in one answer; gRPC gives no more

struct Free {
  void operator()(char* text) const { gpr_free(text); }
};
using GrpcText = std::unique_ptr<char, Free>;

std::optional<Struct> Parse(std::string_view json) {
  Struct parsed;
  if (!google::protobuf::util::JsonStringToMessage({json.data(), json.size()}, &parsed).ok()) {
    return std::nullopt;
  }
  return parsed;
}

std::optional<Struct> Parse(const GrpcText& json) {
  // Null: there is no such object (any more).
  return json == nullptr ? std::nullopt : Parse(std::string_view(json.get()));
}

const Struct& Member(const Struct& object, const char* name) {
  const auto it = object.fields().find(name);
  return it == object.fields().end() ? Struct::default_instance() : it->second.struct_value();
}

const ListValue& List(const Struct& object, const char* name) {
  const auto it = object.fields().find(name);
  return it == object.fields().end() ? ListValue::default_instance() : it->second.list_value();
}

std::string Text(const Struct& object, const char* name) {
  const auto it = object.fields().find(name);
  return it == object.fields().end() ? std::string() : it->second.string_value();
}

// 64-bit numbers are text in JSON; one that is 0 is left out.
std::int64_t Number(const Struct& object, const char* name) {
  const std::string text = Text(object, name);
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::vector<std::int64_t> ServerIds() {
  std::vector<std::int64_t> ids;
  const auto answer = Parse(GrpcText(grpc_channelz_get_servers(0)));
  if (!answer.has_value()) return ids;
  for (const auto& server : List(*answer, "server").values()) {
    ids.push_back(Number(Member(server.struct_value(), "ref"), "serverId"));
  }
  return ids;
}

void CountStreamsOf(std::int64_t server, std::vector<StreamCounts>* all) {
  std::int64_t next = 0;
  for (bool end = false; !end;) {
    const auto answer =
        Parse(GrpcText(grpc_channelz_get_server_sockets(server, next, kMostAtOnce)));
    if (!answer.has_value()) return;
    const auto& sockets = List(*answer, "socketRef").values();
    for (const auto& socket : sockets) {
      const std::int64_t id = Number(socket.struct_value(), "socketId");
      const GrpcText json(grpc_channelz_get_socket(id));
      StreamCounts counts;
      if (json != nullptr && ParseSocket(json.get(), &counts)) all->push_back(std::move(counts));
      next = id + 1;
    }
    const auto more = answer->fields().find("end");
    end = sockets.empty() || (more != answer->fields().end() && more->second.bool_value());
  }
}

}  // namespace

bool ParseSocket(std::string_view json, StreamCounts* counts) {
  const auto answer = Parse(json);
  if (!answer.has_value()) return false;
  const Struct& socket = Member(*answer, "socket");
  // "chttp2 ipv4:10.0.0.1:4242"
  const std::string name = Text(Member(socket, "ref"), "name");
  const std::size_t space = name.rfind(' ');
  if (space == std::string::npos) return false;
  counts->peer = name.substr(space + 1);
  const Struct& data = Member(socket, "data");
  counts->started = Number(data, "streamsStarted");
  counts->ended = Number(data, "streamsSucceeded") + Number(data, "streamsFailed");
  return true;
}

std::vector<StreamCounts> CountStreams() {
  std::vector<StreamCounts> all;
  for (const std::int64_t server : ServerIds()) CountStreamsOf(server, &all);
  return all;
}

std::vector<std::string> Flooding(const std::vector<StreamCounts>& connections, std::int64_t most) {
  std::vector<std::string> peers;
  for (const StreamCounts& connection : connections) {
    if (connection.started - connection.ended > most) peers.push_back(connection.peer);
  }
  return peers;
}

}  // namespace procctl::controller
