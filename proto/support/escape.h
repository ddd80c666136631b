// Bytes that a process wrote are hostile: raw, they could move an operator's cursor, break JSON, or
// make a strict protobuf peer drop the whole message (proto3 strings must be UTF-8).
#pragma once

#include <string>
#include <string_view>

namespace procctl {

// Well-formed UTF-8 in which nothing acts on a terminal: every control character (C0, DEL, C1),
// every byte of a malformed sequence, every bidirectional or invisible format character and the
// backslash become \xNN, byte by byte. Printable text passes unchanged. Applying it twice escapes
// the backslashes again: do it once, where the bytes come in.
std::string Escape(std::string_view bytes);

// The same for text that was escaped once already (or is ours): escapes what could act on a
// terminal but leaves backslashes alone. For whatever prints strings that came over a wire.
std::string Printable(std::string_view text);

}  // namespace procctl
