// The local engine for the suite's fixture, with limits of one's own.
#pragma once

#include "controller/store/local_engine.h"
#include "tests/controller/store/engine_conformance.h"

namespace procctl::controller {

inline EngineKind LocalKind(const HistoryLimits& limits = {}) {
  return {"Local",
          [limits](const std::string& dir) { return OpenLocalEngine(dir, "test", limits); }};
}

// For suites of the local engine alone.
#define PROCCTL_LOCAL_SUITE(Suite)                                      \
  INSTANTIATE_TEST_SUITE_P(Only, Suite, ::testing::Values(LocalKind()), \
                           [](const auto& kind) { return kind.param.name; })

}  // namespace procctl::controller
