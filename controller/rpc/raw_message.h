// Messages of a raw method: gRPC hands over and takes bytes, so that a page of rows that are packed
// already is never taken apart.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <string>

#include "google/protobuf/message_lite.h"

namespace procctl::controller {

// Takes the bytes without a copy.
grpc::ByteBuffer BufferOf(std::string bytes);

// False: it is no such message.
bool ReadRaw(const grpc::ByteBuffer& buffer, google::protobuf::MessageLite* message);

}  // namespace procctl::controller
