// What callers ask of the writer, as jobs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "controller/store/commit_log.h"
#include "controller/store/coordinator.h"
#include "controller/store/history.h"
#include "controller/store/writer.h"

namespace procctl::controller {

std::unique_ptr<WriteJob> MakeClaimJob(std::string node, std::int64_t at_least,
                                       Coordinator::Claimed done);

std::unique_ptr<WriteJob> MakeAppendJob(NodeBatch batch, CommitLog::Appended done);

// `origin` and `epoch`: the controller's own; the job gives out the numbers.
std::unique_ptr<WriteJob> MakeOwnEventsJob(std::string origin, std::int64_t epoch,
                                           std::vector<v1::Event> events, CommitLog::Appended done);

std::unique_ptr<WriteJob> MakeLoadCursorsJob(std::string node, CommitLog::Loaded done);

// `origin` and `own_epoch`: the controller's own, for the records, which `told` gets when they are
// committed.
std::unique_ptr<WriteJob> MakeAcceptGapsJob(std::string origin, std::int64_t own_epoch,
                                            std::string node, std::int64_t session_epoch,
                                            std::vector<HeldRange> held, CommitLog::Appended told,
                                            CommitLog::Loaded done);

std::unique_ptr<WriteJob> MakeForgetJob(std::string node, Coordinator::Forgotten done);

std::unique_ptr<WriteJob> MakeRecordRequestJob(OrderRequest request, WallTime at,
                                               History::Recorded done);

std::unique_ptr<WriteJob> MakeRecordSentJob(std::string request_id, std::vector<size_t> targets,
                                            bool sent, History::Recorded done);

std::unique_ptr<WriteJob> MakeRecordStateJob(std::string request_id, v1::OrderState state,
                                             std::string message, History::Recorded done);

}  // namespace procctl::controller
