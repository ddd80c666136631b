// A wire between a controller and its nodes that can be cut: two network namespaces and a router
// between them, all of the test's own. Packets that are dropped are dropped silently, as on a
// pulled cable: nobody is told, and connections are left half open.
#pragma once

#include <functional>
#include <string>

#include "proto/support/unique_fd.h"

namespace procctl::e2e {

class SplitNetwork {
 public:
  // Needs root and the program `ip`. usable() is false where the machine lacks one of them.
  SplitNetwork();
  SplitNetwork(const SplitNetwork&) = delete;
  SplitNetwork& operator=(const SplitNetwork&) = delete;

  bool usable() const { return why_.empty(); }
  const std::string& why() const { return why_; }

  // The controller's address on the wire.
  static const std::string& ControllerHost();

  // As Launch::prepare: the new process lives on that side.
  std::function<bool()> ControllerSide() const;
  std::function<bool()> NodeSide() const;

  enum class Way { kBoth, kToController, kToNode };
  // Drops what goes that way from now on, until Heal. A few microseconds.
  void Cut(Way way);
  void Heal();

  // Resets every established connection to `port` of the controller, at both ends.
  void ResetConnections(const std::string& port);

 private:
  void Configure();
  void Ip(int side, const std::string& arguments);

  std::string why_;
  // Namespaces live as long as these, or a process inside.
  UniqueFd controller_side_;
  UniqueFd node_side_;
  UniqueFd wire_;
  // Whether the router passes on what comes from that side.
  UniqueFd from_controller_;
  UniqueFd from_node_;
};

}  // namespace procctl::e2e
