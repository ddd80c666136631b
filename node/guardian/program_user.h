// Who a program runs as: names of the configuration looked up on this host.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/core/program_spec.h"

namespace procctl::node {

// `key` is "user", "group" or "groups.N"; the text is fact and hint.
using RefuseUser = std::function<void(const std::string& key, const std::string& text)>;

// nullopt: the guardian's own user and groups, also where `refuse` was called. A group without a
// user is the guardian's own user with that group. Where the guardian is not `root` it may name
// only itself: it could become nobody else. Asks the name service of the host, which may take a
// while.
std::optional<ProgramUser> FindProgramUser(const std::string& user, const std::string& group,
                                           const std::vector<std::string>& groups, bool root,
                                           const RefuseUser& refuse);

// Name of the user this process runs as; empty: it has none. Asks as above.
std::string OwnUserName();

}  // namespace procctl::node
