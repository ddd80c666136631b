#include "controller/rpc/health_board.h"

#include <grpcpp/health_check_service_interface.h>

namespace procctl::controller {

HealthBoard::HealthBoard(grpc::HealthCheckServiceInterface* service) : service_(service) {
  service_->SetServingStatus("", true);
  service_->SetServingStatus(kFleetService, false);
  service_->SetServingStatus(kNodeService, false);
}

void HealthBoard::Show(bool ready) {
  // Whoever watches is told of changes only.
  if (ready == ready_) return;
  ready_ = ready;
  service_->SetServingStatus(kFleetService, ready);
  service_->SetServingStatus(kNodeService, ready);
}

void HealthBoard::Close() { service_->Shutdown(); }

}  // namespace procctl::controller
