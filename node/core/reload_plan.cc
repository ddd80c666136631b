#include "node/core/reload_plan.h"

#include <algorithm>
#include <utility>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "spdlog/fmt/fmt.h"
#include "spdlog/fmt/ranges.h"

namespace procctl::node {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool IsDuration(const FieldDescriptor& field) {
  return field.message_type() != nullptr &&
         field.message_type()->full_name() == "google.protobuf.Duration";
}

// Its keys are compared one by one: whether it is there at all says nothing.
bool IsSection(const FieldDescriptor& field) {
  return field.message_type() != nullptr && !field.is_repeated() && !IsDuration(field);
}

bool SameItem(const Message& a, const Message& b, const FieldDescriptor& field, int i);
bool SameMessage(const Message& a, const Message& b);

// Both are of one type. In a repeated field the order counts: of arguments, rules and groups alike.
bool Same(const Message& a, const Message& b, const FieldDescriptor& field) {
  const auto& read = *a.GetReflection();
  if (field.is_repeated()) {
    const int size = read.FieldSize(a, &field);
    if (size != read.FieldSize(b, &field)) return false;
    for (int i = 0; i < size; ++i) {
      if (!SameItem(a, b, field, i)) return false;
    }
    return true;
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (IsDuration(field) && read.HasField(a, &field) != read.HasField(b, &field)) return false;
      return SameMessage(read.GetMessage(a, &field), read.GetMessage(b, &field));
    case FieldDescriptor::CPPTYPE_STRING:
      return read.GetString(a, &field) == read.GetString(b, &field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return read.GetBool(a, &field) == read.GetBool(b, &field);
    case FieldDescriptor::CPPTYPE_INT32:
      return read.GetInt32(a, &field) == read.GetInt32(b, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return read.GetInt64(a, &field) == read.GetInt64(b, &field);
    default:
      // The schema has no others, and whoever reads files could not fill them.
      return false;
  }
}

bool SameItem(const Message& a, const Message& b, const FieldDescriptor& field, int i) {
  const auto& read = *a.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return SameMessage(read.GetRepeatedMessage(a, &field, i),
                         read.GetRepeatedMessage(b, &field, i));
    case FieldDescriptor::CPPTYPE_STRING:
      return read.GetRepeatedString(a, &field, i) == read.GetRepeatedString(b, &field, i);
    case FieldDescriptor::CPPTYPE_INT32:
      return read.GetRepeatedInt32(a, &field, i) == read.GetRepeatedInt32(b, &field, i);
    default:
      return false;
  }
}

bool SameMessage(const Message& a, const Message& b) {
  for (int i = 0; i < a.GetDescriptor()->field_count(); ++i) {
    if (!Same(a, b, *a.GetDescriptor()->field(i))) return false;
  }
  return true;
}

void Fill(std::string* text, std::string_view standard) {
  if (text->empty()) *text = standard;
}

// The standards of the keys that cost a restart, written out; as config.proto documents them.
v1::ProgramConfig WithStandards(v1::ProgramConfig config) {
  Fill(config.mutable_dir(), "/");
  Fill(config.mutable_umask(), "0022");
  Fill(config.mutable_door(), "none");
  Fill(config.mutable_notify_access(), "main");
  Fill(config.mutable_output()->mutable_stdout(), "null");
  Fill(config.mutable_output()->mutable_stderr(), "null");
  if (!config.has_start_grace()) config.mutable_start_grace()->set_seconds(90);
  return config;
}

Change CompareKeys(const Message& now, const Message& then, const std::string& prefix,
                   std::vector<std::string>* keys) {
  Change strongest = Change::kNone;
  for (int i = 0; i < now.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *now.GetDescriptor()->field(i);
    const std::string key = prefix + field.name();
    if (key == "name") continue;
    if (IsSection(field)) {
      strongest = std::max(
          strongest, CompareKeys(now.GetReflection()->GetMessage(now, &field),
                                 then.GetReflection()->GetMessage(then, &field), key + ".", keys));
    } else if (!Same(now, then, field)) {
      keys->push_back(key);
      // A key that nobody has classed is no reason to keep what runs with the old value.
      const auto change = ProgramChanges().find(key);
      strongest =
          std::max(strongest, change == ProgramChanges().end() ? Change::kRestart : change->second);
    }
  }
  return strongest;
}

int InstancesOf(const v1::ProgramConfig& program) {
  return program.instances() == 0 ? 1 : program.instances();
}

ReloadPlan::Step PlanProgram(const v1::ProgramConfig* now, const v1::ProgramConfig* then) {
  ReloadPlan::Step step;
  step.program = then != nullptr ? then->name() : now->name();
  if (now != nullptr) step.instances_before = InstancesOf(*now);
  if (then != nullptr) step.instances_after = InstancesOf(*then);
  if (now == nullptr) {
    step.what = ReloadPlan::Step::kAdded;
  } else if (then == nullptr) {
    step.what = ReloadPlan::Step::kRemoved;
  } else {
    switch (CompareProgram(*now, *then, &step.keys)) {
      case Change::kNone:
        step.what = ReloadPlan::Step::kUnchanged;
        break;
      case Change::kLive:
        step.what = ReloadPlan::Step::kLive;
        break;
      case Change::kRestart:
        step.what = ReloadPlan::Step::kRestart;
        break;
    }
  }
  return step;
}

// "(command, instances: 2 to 4)"
std::string ShownKeys(const ReloadPlan::Step& step) {
  std::vector<std::string> shown = step.keys;
  std::replace(shown.begin(), shown.end(), std::string("instances"),
               fmt::format("instances: {} to {}", step.instances_before, step.instances_after));
  return fmt::format("({})", fmt::join(shown, ", "));
}

std::string InstancesText(int instances) {
  return instances == 1 ? "" : fmt::format(", {} instances", instances);
}

}  // namespace

const std::map<std::string, Change, std::less<>>& ProgramChanges() {
  using enum Change;
  static const auto& changes = *new std::map<std::string, Change, std::less<>>{
      {"command", kRestart},
      {"shell", kRestart},
      {"user", kRestart},
      {"group", kRestart},
      {"groups", kRestart},
      {"dir", kRestart},
      {"umask", kRestart},
      {"env", kRestart},
      {"env_files", kRestart},
      {"instances", kLive},
      {"after", kLive},
      {"needs", kLive},
      {"door", kRestart},
      {"watchdog", kRestart},
      {"start_grace", kRestart},
      {"notify_access", kRestart},
      {"restart", kLive},
      {"success_codes", kLive},
      {"final_codes", kLive},
      {"backoff.first", kLive},
      {"backoff.most", kLive},
      {"backoff.jitter_percent", kLive},
      {"backoff.reset_after", kLive},
      {"intensity.starts", kLive},
      {"intensity.within", kLive},
      {"intensity.retry_every", kLive},
      {"stop_signal", kLive},
      {"grace", kLive},
      {"every", kLive},
      {"cron", kLive},
      {"time_zone", kLive},
      {"overlap", kLive},
      {"catch_up", kLive},
      {"jitter", kLive},
      {"run_limit", kLive},
      {"max_age", kLive},
      {"max_age_variance", kLive},
      {"limits.memory_high", kRestart},
      {"limits.memory_max", kRestart},
      {"limits.cpu_percent", kRestart},
      {"limits.pids", kRestart},
      {"limits.io_weight", kRestart},
      {"limits.rlimits", kRestart},
      {"limits.nice", kRestart},
      {"limits.oom_score_adj", kRestart},
      {"limits.restart_above_memory", kLive},
      {"output.stdout", kRestart},
      {"output.stderr", kRestart},
      {"output.max_size", kLive},
      {"output.keep", kLive},
      {"labels", kLive},
      {"manual", kLive},
      {"quiet", kLive},
  };
  return changes;
}

Change CompareProgram(const v1::ProgramConfig& now, const v1::ProgramConfig& then,
                      std::vector<std::string>* keys) {
  return CompareKeys(WithStandards(now), WithStandards(then), "", keys);
}

ReloadPlan PlanReload(const v1::NodeConfig& now, const v1::NodeConfig& then) {
  std::map<std::string_view, const v1::ProgramConfig*> before;
  for (const v1::ProgramConfig& program : now.programs()) before.emplace(program.name(), &program);
  ReloadPlan plan;
  for (const v1::ProgramConfig& program : then.programs()) {
    const auto found = before.find(program.name());
    plan.steps.push_back(PlanProgram(found == before.end() ? nullptr : found->second, &program));
    if (found != before.end()) before.erase(found);
  }
  for (const v1::ProgramConfig& program : now.programs()) {
    if (before.count(program.name()) != 0) plan.steps.push_back(PlanProgram(&program, nullptr));
  }
  for (int i = 0; i < now.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *now.GetDescriptor()->field(i);
    if (field.name() == "programs" || Same(now, then, field)) continue;
    (field.name() == "watch_file" ? plan.live_node_keys : plan.node_keys).push_back(field.name());
  }
  return plan;
}

std::string Describe(const ReloadPlan& plan) {
  std::string out;
  int unchanged = 0;
  for (const ReloadPlan::Step& step : plan.steps) {
    switch (step.what) {
      case ReloadPlan::Step::kAdded:
        out += fmt::format("{}: added{}\n", step.program, InstancesText(step.instances_after));
        break;
      case ReloadPlan::Step::kRemoved:
        out += fmt::format("{}: removed, is stopped{}\n", step.program,
                           InstancesText(step.instances_before));
        break;
      case ReloadPlan::Step::kLive:
        out += fmt::format("{}: live {}\n", step.program, ShownKeys(step));
        break;
      case ReloadPlan::Step::kRestart:
        out += fmt::format("{}: restart {}\n", step.program, ShownKeys(step));
        break;
      case ReloadPlan::Step::kUnchanged:
        ++unchanged;
        break;
    }
  }
  if (unchanged != 0) {
    out += fmt::format("{} {} unchanged\n", unchanged, unchanged == 1 ? "program" : "programs");
  }
  if (!plan.live_node_keys.empty())
    out += fmt::format("the node itself: live ({})\n", fmt::join(plan.live_node_keys, ", "));
  if (!plan.node_keys.empty()) {
    out += fmt::format("the node itself: needs a restart of the guardian ({})\n",
                       fmt::join(plan.node_keys, ", "));
  }
  return out.empty() ? "nothing changes\n" : out;
}

}  // namespace procctl::node
