#include "node/guardian/reload_desk.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "node/core/reload_plan.h"
#include "node/guardian/program_slots.h"
#include "proto/support/escape.h"
#include "proto/support/yaml_config.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

constexpr size_t kMostText = 4096;

OrderRef ByFile() { return {.id = "", .issuer = "file", .reason = "the file changed"}; }

// An event is one line: "FILE has 2 faults: FILE:3: ...; FILE:7: ...".
std::string OneLine(const std::string& text) {
  std::string line;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part);) {
    part.erase(0, part.find_first_not_of(' '));
    if (part.empty()) continue;
    if (!line.empty()) line += line.back() == ':' ? " " : "; ";
    line += part;
  }
  return Printable(line);
}

}  // namespace

ReloadDesk::ReloadDesk(Settings* in_force, World world)
    : in_force_(in_force),
      world_(std::move(world)),
      reading_({.at_once = 1, .threads = 2, .queued = 4}),
      seen_(in_force->text) {}

absl::Status ReloadDesk::Open() {
  if (reading_.event_fd() >= 0) {
    const auto watch =
        world_.poller->Add(reading_.event_fd(), EPOLLIN, [this](uint32_t) { reading_.Take(); });
    if (!watch.ok()) return watch.status();
  }
  SetWatching(in_force_->config.watch_file());
  return absl::OkStatus();
}

ReloadDesk::Found ReloadDesk::Read(const std::string& file) {
  const absl::StatusOr<std::string> text = ReadConfigText(file);
  if (!text.ok()) return {std::nullopt, text.status()};
  return {*text, ParseSettings(file, *text)};
}

void ReloadDesk::Reload(const OrderRef& by) {
  const std::string file = in_force_->file;
  const auto ticket = reading_.Start([this, file, by]() -> DetachedWork::Finish {
    return [this, by, found = Read(file)] { Apply(found, by); };
  });
  if (ticket == 0) End(by, v1::EVENT_KIND_CONFIG_REFUSED, "another reload is under way; try again");
}

void ReloadDesk::SetWatching(bool watching) {
  if (watching == watch_.has_value()) return;
  if (!watching) return watch_.reset();
  watch_.emplace(world_.poller, [this] { Check(); });
  if (const absl::Status s = watch_->Open(in_force_->file); !s.ok()) {
    watch_.reset();
    spdlog::error("watch_file: {}; reload by SIGHUP", std::string(s.message()));
    return;
  }
  // What changed since the file was read, and before it was watched, is found by this too.
  Check();
}

void ReloadDesk::Check() {
  if (!watch_) return;
  if (checking_) {
    check_again_ = true;
    return;
  }
  const std::string file = in_force_->file;
  const auto watch = watch_->watch();
  const auto ticket = reading_.Start([this, file, watch]() -> DetachedWork::Finish {
    // In this order: a change after the reading is noticed.
    const FileWatch::Added added = watch->Add();
    return [this, added, found = Read(file)] { OnChecked(added, found); };
  });
  checking_ = ticket != 0;
  // Reloads that wait for a disk are in its way.
  if (!checking_) watch_->Rearm(ConfigWatch::kSettle);
}

void ReloadDesk::OnChecked(const FileWatch::Added& added, const Found& found) {
  checking_ = false;
  if (!watch_) return;
  watch_->Use(added);
  if (std::exchange(check_again_, false)) {
    // It has come to rest since: what was read may be half of it.
    Check();
    return;
  }
  if (found.text == seen_) return;
  Apply(found, ByFile());
}

void ReloadDesk::Apply(const Found& found, const OrderRef& by) {
  seen_ = found.text;
  const absl::StatusOr<Settings>& read = found.settings;
  const auto refuse = [&](std::string_view why) {
    End(by, v1::EVENT_KIND_CONFIG_REFUSED, fmt::format("nothing has changed: {}", why));
  };
  if (!read.ok()) return refuse(std::string(read.status().message()));
  if (!read->programs.empty() && !world_.keeping)
    return refuse("programs need runtime_dir in memory");
  // The file may ask for a larger table, which is made at the next start only.
  if (const auto shortage = FindSlotShortage(read->programs, in_force_->limits, geteuid())) {
    return refuse(fmt::format("{}: {} until the guardian is started anew",
                              read->programs[shortage->program].name, shortage->fact));
  }
  ReloadPlan plan = PlanReload(in_force_->config, read->config);
  const std::vector<std::string> for_later = std::exchange(plan.node_keys, {});
  std::string text = Describe(plan);
  world_.programs(read->programs);
  if (!for_later.empty()) {
    text += "not applied until the guardian is started anew:";
    for (const std::string& key : for_later) text += " " + key;
  }
  *in_force_->config.mutable_programs() = read->config.programs();
  in_force_->config.set_watch_file(read->config.watch_file());
  while (!text.empty() && text.back() == '\n') text.pop_back();
  End(by, v1::EVENT_KIND_CONFIG_APPLIED, text);
  SetWatching(read->config.watch_file());
}

void ReloadDesk::End(const OrderRef& by, v1::EventKind kind, std::string message) {
  if (message.size() > kMostText) {
    message.resize(kMostText);
    message += " ...";
  }
  v1::Event event = MakeEvent(
      kind, kind == v1::EVENT_KIND_CONFIG_APPLIED ? v1::SEVERITY_INFO : v1::SEVERITY_WARNING,
      OneLine(message));
  event.set_order_id(by.id);
  event.set_issuer(by.issuer);
  event.set_reason(by.reason);
  world_.log->Record(std::move(event));
}

}  // namespace procctl::node
