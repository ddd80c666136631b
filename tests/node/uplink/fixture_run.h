// A real procctl-uplink between a fake guardian and a fake controller, for tests and benchmarks.
#pragma once

#include <memory>
#include <string>

#include "tests/node/uplink/fake_controller.h"
#include "tests/node/uplink/fake_guardian.h"
#include "tests/node/uplink/fixtures.h"
#include "tests/proto/test_fleet.h"

namespace procctl::uplink {

// One CA for all tests of a program: making keys is slow.
inline procctl::testing::TestFleet& Fleet() {
  static procctl::testing::TestFleet fleet;
  return fleet;
}

inline v1::LinkHello MakeHello(const std::string& state_dir) {
  const TlsPem node = procctl::testing::Read(Fleet().Issue(Role::kNode, kNode));
  v1::LinkHello hello;
  hello.set_node_id(kNode);
  hello.set_boot_id(kBoot);
  hello.set_guardian_epoch(1);
  hello.set_guardian_uid(1000);
  hello.set_mode("enforce");
  hello.set_ca_pem(node.ca);
  hello.set_certificate_pem(node.cert);
  hello.set_key_pem(node.key);
  hello.set_state_dir(state_dir);
  hello.set_spool_events(1'000'000);
  hello.mutable_connect_timeout()->set_seconds(5);
  return hello;
}

inline v1::Order MakeOrder(const std::string& id) {
  v1::Order order;
  order.set_order_id(id);
  order.set_slot("encoder");
  order.mutable_incarnation()->set_boot_id(kBoot);
  order.mutable_incarnation()->set_pid(4242);
  order.mutable_time_to_live()->set_seconds(20);
  order.set_issuer("operator/alice");
  return order;
}

}  // namespace procctl::uplink
