// What grpc.health.v1.Health answers. "" is liveness: the process serves calls, restart it if it
// does not. "procctl.v1.FleetService" and "procctl.v1.NodeService" are readiness: send callers
// elsewhere, or wait, but restart nothing.
#pragma once

namespace grpc {
class HealthCheckServiceInterface;
}

namespace procctl::controller {

// One thread at a time.
class HealthBoard {
 public:
  static constexpr char kFleetService[] = "procctl.v1.FleetService";
  static constexpr char kNodeService[] = "procctl.v1.NodeService";

  // `service` is the server's, and lives as long as that. Not ready at first.
  explicit HealthBoard(grpc::HealthCheckServiceInterface* service);

  void Show(bool ready);
  // Going down: all is NOT_SERVING from here on, whatever is shown later.
  void Close();

 private:
  grpc::HealthCheckServiceInterface* const service_;
  bool ready_ = false;
};

}  // namespace procctl::controller
