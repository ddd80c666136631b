// Finds connections that begin streams and reset them faster than their calls can begin ("rapid
// reset" again, call_guard.h). gRPC's threads read a connection until nothing is left to read; as
// long as a peer never lets that happen they are captured, and calls only pile up: seen were 80,000
// a second, 14 KB each. Then nobody counts calls. But gRPC's transport counts its streams
// (channelz), and a thread of our own can ask it. An honest caller's streams that are not over are
// at most those it may have open and some that it has just cancelled.
//
// Asking costs 50 microseconds for every connection, half a second for ten thousand, so it is done
// only when gRPC's threads are late: with those at work, the call guard is enough.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace procctl::controller {

// What gRPC's transport says of one connection.
struct StreamCounts {
  std::string peer;  // as ServerContext::peer() has it
  std::int64_t started = 0;
  std::int64_t ended = 0;
};

// Of all connections of all servers of this process, by channelz. What ends meanwhile is missing.
std::vector<StreamCounts> CountStreams();

// Those of `connections` with more than `most` streams that are not over.
std::vector<std::string> Flooding(const std::vector<StreamCounts>& connections, std::int64_t most);

// The JSON of one socket (grpc_channelz_get_socket). False: it is no connection with a peer.
bool ParseSocket(std::string_view json, StreamCounts* counts);

}  // namespace procctl::controller
