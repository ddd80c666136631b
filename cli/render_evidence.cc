#include "cli/cell.h"
#include "cli/fields.h"
#include "cli/names.h"
#include "cli/render_detail.h"
#include "cli/story_words.h"
#include "cli/table.h"
#include "cli/time_text.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

std::string PressureText(bool present, const v1::Pressure& pressure) {
  if (!present || !pressure.known()) return "";
  return fmt::format("{:.1f} % some, {:.1f} % full (last 10s)", pressure.some(), pressure.full());
}

std::string Against(const google::protobuf::Duration& silence,
                    const google::protobuf::Duration& limit) {
  return fmt::format("{}, limit {}", ExactText(FromProto(silence)), ExactText(FromProto(limit)));
}

std::string Heart(const v1::Event& event, const v1::Evidence& evidence) {
  Fields fields;
  fields.Add("Heart", Cell(evidence.heart()));
  if (event.symptom() != v1::SYMPTOM_UNSPECIFIED) fields.Add("Symptom", Word(event.symptom()));
  if (event.cause() != v1::CAUSE_UNSPECIFIED) fields.Add("Cause", Word(event.cause()));
  if (evidence.has_silence() && evidence.has_limit()) {
    fields.Add("Silence", Against(evidence.silence(), evidence.limit()));
  }
  fields.Add("Beats", std::to_string(evidence.beats()));
  fields.Add("Progress", std::to_string(evidence.progress()));
  if (!evidence.phase().empty()) fields.Add("Phase", Quote(evidence.phase()));
  if (!evidence.note().empty()) fields.Add("Last words", Quote(evidence.note()));
  for (const v1::OtherHeart& other : evidence.other_hearts()) {
    fields.Add("Other heart", fmt::format("{}: silent {}", Cell(other.label()),
                                          Against(other.silence(), other.timeout())));
  }
  if (evidence.other_hearts_left_out() > 0) {
    fields.Add("Other hearts", fmt::format("{} more", evidence.other_hearts_left_out()));
  }
  return fields.Render(2);
}

std::string Process(const v1::Evidence& evidence) {
  Fields fields;
  if (!evidence.comm().empty()) {
    fields.Add("Process",
               fmt::format("{}, state {}", Printable(evidence.comm()), Cell(evidence.state())));
  }
  if (evidence.has_cpu_user() || evidence.has_cpu_system()) {
    fields.Add("CPU", fmt::format("{} user, {} kernel", ExactText(FromProto(evidence.cpu_user())),
                                  ExactText(FromProto(evidence.cpu_system()))));
  }
  if (evidence.resident() > 0) {
    fields.Add("Memory", fmt::format("{} resident, {} swapped", BytesText(evidence.resident()),
                                     BytesText(evidence.swapped())));
  }
  if (evidence.open_fds() > 0 || evidence.fd_limit() != 0) {
    fields.Add("Descriptors",
               fmt::format("{} open, limit {}", evidence.open_fds(),
                           evidence.fd_limit() < 0 ? "none" : std::to_string(evidence.fd_limit())));
  }
  if (!evidence.cgroup().empty()) {
    fields.Add("Cgroup",
               Printable(evidence.cgroup()) + (evidence.cgroup_frozen() ? " (frozen)" : ""));
  }
  if (evidence.tracer() > 0) fields.Add("Debugger", fmt::format("pid {}", evidence.tracer()));
  fields.Add("CPU pressure", PressureText(evidence.has_cpu_pressure(), evidence.cpu_pressure()));
  fields.Add("Memory pressure",
             PressureText(evidence.has_memory_pressure(), evidence.memory_pressure()));
  fields.Add("I/O pressure", PressureText(evidence.has_io_pressure(), evidence.io_pressure()));
  if (evidence.load_1m() > 0) fields.Add("Load", fmt::format("{:.2f}", evidence.load_1m()));
  if (evidence.memory_available() > 0) {
    fields.Add("Memory available", BytesText(evidence.memory_available()));
  }
  if (evidence.has_guardian_lag() || evidence.has_guardian_worst_lag()) {
    fields.Add("Guardian's lag",
               fmt::format("{}, at most {} in the last minute",
                           FormatDuration(FromProto(evidence.guardian_lag())),
                           FormatDuration(FromProto(evidence.guardian_worst_lag()))));
  }
  if (evidence.has_took()) {
    fields.Add("Gathered in", FormatDuration(FromProto(evidence.took())) +
                                  (evidence.timed_out() ? ", out of time" : ""));
  }
  for (const std::string& missing : evidence.missing()) {
    fields.Add("Could not be read", Printable(missing));
  }
  return fields.Render(2);
}

std::string Threads(const v1::Evidence& evidence) {
  if (evidence.threads().empty()) return "";
  Table table({"TID", "COMM", "STATE", "WCHAN", "SYSCALL", "CPU"});
  std::string stacks;
  for (const v1::Thread& thread : evidence.threads()) {
    table.Add({{std::to_string(thread.tid())},
               {Cell(thread.comm())},
               {Cell(thread.state()), thread.state() == "D" ? Colour::kRed : Colour::kNone},
               {Cell(thread.wchan())},
               {Cell(thread.syscall())},
               {thread.has_cpu() ? FormatDuration(FromProto(thread.cpu())) : "-"}});
    if (thread.stack().empty()) continue;
    stacks += fmt::format("\nKernel stack of {} ({})\n", thread.tid(), Cell(thread.comm()));
    for (const std::string& frame : thread.stack()) stacks += "  " + Printable(frame) + "\n";
  }
  std::string out = "\n" + table.Render(/*colour=*/false);
  if (evidence.threads_left_out() > 0) {
    out += fmt::format("{} not read\n", CountText(evidence.threads_left_out(), "more thread"));
  }
  return out + stacks;
}

}  // namespace

std::string RenderEvidence(const v1::Event& event) {
  const v1::Evidence& evidence = event.evidence();
  return Heart(event, evidence) + Process(evidence) + Threads(evidence);
}

}  // namespace procctl::cli
