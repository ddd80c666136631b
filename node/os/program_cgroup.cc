#include "node/os/program_cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "node/os/proc_file.h"
#include "node/os/proc_text.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr std::string_view kSuffix = ".program";
constexpr size_t kMostPids = size_t{4} << 20;  // bytes of a cgroup.procs
// Whoever forks faster than this many rounds of signals is left to the next call.
constexpr int kKillRounds = 20;

// "": written. Otherwise the kernel's words.
std::string WriteFile(const std::string& path, std::string_view text) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (!fd) return std::strerror(errno);
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return std::strerror(errno);
  return "";
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

std::set<std::string> Words(std::string_view text) {
  std::set<std::string> words;
  for (std::string_view word = Word(text); !word.empty(); word = Word(text)) {
    words.emplace(word);
    text.remove_prefix(static_cast<size_t>(word.data() + word.size() - text.data()));
  }
  return words;
}

std::vector<int32_t> Pids(const std::string& folder) {
  std::vector<int32_t> pids;
  const std::string text = ReadSmallFile(folder + "/cgroup.procs", kMostPids).value_or("");
  for (std::string_view rest = text; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    int32_t pid = 0;
    // 0: somebody outside our pid namespace.
    if (ReadNumber(rest.substr(0, end), &pid) && pid > 0) pids.push_back(pid);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return pids;
}

// The group and those below it, parents first.
std::vector<std::string> FoldersFrom(const std::string& top) {
  std::vector<std::string> folders = {top};
  for (size_t i = 0; i < folders.size(); ++i) {
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(folders[i].c_str()), closedir);
    if (dir == nullptr) continue;
    while (const dirent* entry = readdir(dir.get())) {
      const std::string_view name = entry->d_name;
      if (entry->d_type != DT_DIR || name == "." || name == "..") continue;
      folders.push_back(folders[i] + "/" + std::string(name));
    }
  }
  return folders;
}

std::vector<int32_t> PidsFrom(const std::string& top) {
  std::vector<int32_t> pids;
  for (const std::string& folder : FoldersFrom(top)) {
    for (const int32_t pid : Pids(folder)) pids.push_back(pid);
  }
  return pids;
}

std::vector<ProcessRef> HeldMembers(const std::string& top) {
  std::vector<ProcessRef> held;
  for (const int32_t pid : PidsFrom(top)) {
    if (auto process = ProcessRef::Open(pid); process.ok()) held.push_back(*std::move(process));
  }
  // Whose number is still here now that it is held was here when it was held.
  const std::vector<int32_t> now = PidsFrom(top);
  std::erase_if(held, [&now](const ProcessRef& process) {
    return std::find(now.begin(), now.end(), process.identity().pid) == now.end();
  });
  return held;
}

// One limit, as the configuration and the kernel call it.
struct LimitFile {
  const char* limit;
  const char* controller;
  const char* file;
  std::optional<std::string> value;
  const char* none;
};

std::vector<LimitFile> FilesOf(const CgroupLimits& limits) {
  const auto text = [](const auto& number) -> std::optional<std::string> {
    if (!number) return std::nullopt;
    return std::to_string(*number);
  };
  std::optional<std::string> cpu;
  // Microseconds in each 100 ms.
  if (limits.cpu_percent) cpu = fmt::format("{} 100000", int64_t{*limits.cpu_percent} * 1000);
  std::optional<std::string> io;
  if (limits.io_weight) io = fmt::format("default {}", *limits.io_weight);
  return {{"memory_high", "memory", "memory.high", text(limits.memory_high), "max"},
          {"memory_max", "memory", "memory.max", text(limits.memory_max), "max"},
          {"cpu_percent", "cpu", "cpu.max", cpu, "max 100000"},
          {"pids", "pids", "pids.max", text(limits.pids), "max"},
          {"io_weight", "io", "io.weight", io, "default 100"}};
}

std::string Missing(const LimitFile& limit, const std::string& why) {
  return fmt::format(
      "{} needs the {} controller of cgroup v2; start procctl-node as a systemd service with "
      "Delegate=yes or remove the limit{}",
      limit.limit, limit.controller, why.empty() ? "" : " (" + why + ")");
}

absl::Status AllOf(const std::vector<std::string>& refused) {
  if (refused.empty()) return absl::OkStatus();
  std::string text;
  for (const std::string& one : refused) text += (text.empty() ? "" : "; ") + one;
  return absl::FailedPreconditionError(text);
}

std::string Names(const std::vector<TreeMember>& members) {
  std::string names;
  for (const TreeMember& member : members)
    names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", member.pid, member.comm);
  return names;
}

std::vector<TreeMember> ToMembers(const std::vector<int32_t>& pids) {
  std::vector<TreeMember> members;
  for (const int32_t pid : pids) {
    auto stat = ReadStat(pid);
    if (stat) members.push_back({pid, std::move(stat->comm)});
  }
  return members;
}

// Leaves `own` so that it may give controllers away. "": nobody is left in it.
std::string Vacate(const std::string& own) {
  // The topmost group of the host is free of the rule, and has no such file.
  if (!Exists(own + "/cgroup.type")) return "";
  std::vector<int32_t> others = Pids(own);
  others.erase(std::remove(others.begin(), others.end(), getpid()), others.end());
  if (!others.empty()) {
    return fmt::format("{} must hold no other processes, and holds {}", own,
                       Names(ToMembers(others)));
  }
  const std::string room = own + "/" + std::string(kGuardianGroup);
  if (mkdir(room.c_str(), 0755) != 0 && errno != EEXIST)
    return fmt::format("cannot make {}: {}", room, std::strerror(errno));
  if (const std::string error = WriteFile(room + "/cgroup.procs", "0"); !error.empty())
    return fmt::format("procctl-node cannot move to {}: {}", room, error);
  // Some controllers could be turned on nevertheless, and then no program could be put below.
  if (ReadSmallFile(own + "/cgroup.procs").value_or("").empty()) return "";
  return fmt::format(
      "{} must hold no other processes, and holds some that cannot be seen from here", own);
}

// Turns `wanted` on for the groups below `folder`; returns those that are.
std::set<std::string> TurnOn(const std::string& folder, const std::set<std::string>& wanted,
                             std::string* why) {
  std::set<std::string> on;
  for (const std::string& controller : wanted) {
    const std::string error = WriteFile(folder + "/cgroup.subtree_control", "+" + controller);
    if (error.empty()) {
      on.insert(controller);
    } else {
      *why = fmt::format("{} in {}: {}", controller, folder, error);
    }
  }
  return on;
}

std::set<std::string> Offered(const std::string& folder) {
  std::set<std::string> offered;
  const std::string file = "/cgroup.controllers";
  for (const std::string& name : Words(ReadSmallFile(folder + file).value_or(""))) {
    if (name == "memory" || name == "cpu" || name == "pids" || name == "io") offered.insert(name);
  }
  return offered;
}

bool IsLabel(std::string_view label) {
  constexpr size_t kMostName = 255;
  if (label.empty() || label.size() + kSuffix.size() > kMostName) return false;
  return std::all_of(label.begin(), label.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._@-").find(c) != std::string_view::npos;
  });
}

}  // namespace

absl::Status ProgramCgroup::Apply(const CgroupLimits& limits) const {
  std::vector<std::string> refused;
  for (const LimitFile& limit : FilesOf(limits)) {
    const std::string file = path_ + "/" + limit.file;
    if (!Exists(file)) {
      if (limit.value) refused.push_back(Missing(limit, why_no_controllers_));
      continue;
    }
    const std::string value = limit.value.value_or(limit.none);
    const std::string error = WriteFile(file, value);
    if (!error.empty())
      refused.push_back(
          fmt::format("{}: writing \"{}\" to {}: {}", limit.limit, value, file, error));
  }
  return AllOf(refused);
}

int ProgramCgroup::Signal(int signal) const {
  int signalled = 0;
  for (ProcessRef& process : HeldMembers(path_)) {
    if (process.Signal(signal).sent == Target::Sent::kYes) ++signalled;
  }
  return signalled;
}

absl::Status ProgramCgroup::Kill() const {
  if (!Exists(path_)) return absl::OkStatus();
  if (WriteFile(path_ + "/cgroup.kill", "1").empty()) return absl::OkStatus();
  // Kernels before 5.14. Frozen processes do not fork, and die of SIGKILL nevertheless.
  (void)WriteFile(path_ + "/cgroup.freeze", "1");  // without it there are more rounds
  bool left = true;
  std::string denied;
  for (int round = 0; round < kKillRounds && left; ++round) {
    std::vector<ProcessRef> held = HeldMembers(path_);
    left = !PidsFrom(path_).empty();
    for (ProcessRef& process : held) {
      Target::Outcome outcome = process.Signal(SIGKILL);
      if (outcome.sent == Target::Sent::kDenied) denied = std::move(outcome.error);
    }
  }
  (void)WriteFile(path_ + "/cgroup.freeze", "0");  // it is as it was
  return denied.empty() ? absl::OkStatus() : absl::PermissionDeniedError(denied);
}

bool ProgramCgroup::Populated() const {
  const UniqueFd events = OpenEvents();
  // Without descriptors nobody can look inside: that makes nobody leave.
  if (!events) return errno != ENOENT && errno != ENODEV && errno != ENOTDIR;
  return ReadPopulated(events);
}

UniqueFd ProgramCgroup::OpenEvents() const {
  return UniqueFd(open((path_ + "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC));
}

bool ProgramCgroup::ReadPopulated(const UniqueFd& events) {
  char text[256];
  const ssize_t n = pread(events.get(), text, sizeof text, 0);
  if (n <= 0) return false;  // ENODEV: the group is gone
  return Word(LineAfter({text, static_cast<size_t>(n)}, "populated")) == "1";
}

std::vector<TreeMember> ProgramCgroup::Members() const { return ToMembers(PidsFrom(path_)); }

int64_t ProgramCgroup::OomKills() const {
  const auto events = ReadSmallFile(path_ + "/memory.events");
  int64_t kills = 0;
  return events && ReadNumber(Word(LineAfter(*events, "oom_kill ")), &kills) ? kills : 0;
}

absl::Status ProgramCgroup::Remove() const {
  const std::vector<std::string> folders = FoldersFrom(path_);
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
    if (rmdir(folder->c_str()) == 0 || errno == ENOENT) continue;
    const int error = errno;
    const std::string members = Names(Members());
    return absl::FailedPreconditionError(
        fmt::format("cannot remove {}: {}{}{}", *folder, std::strerror(error),
                    members.empty() ? "" : "; in it are ", members));
  }
  return absl::OkStatus();
}

CgroupTree CgroupTree::OpenAt(const OwnCgroup& own, const std::string& name) {
  CgroupTree tree;
  if (own.folder.empty()) {
    tree.why_not_ = own.why_not;
    tree.why_no_controllers_ = own.why_not;
    return tree;
  }
  tree.path_ = own.folder + "/" + name;
  if (mkdir(tree.path_.c_str(), 0755) != 0 && errno != EEXIST) {
    tree.why_not_ = fmt::format(
        "cannot make the cgroup {}: {}; start procctl-node as root or as a systemd service with "
        "Delegate=yes",
        tree.path_, std::strerror(errno));
    tree.why_no_controllers_ = tree.why_not_;
    return tree;
  }
  const std::set<std::string> offered = Offered(own.folder);
  std::string& why = tree.why_no_controllers_;
  if (offered.empty()) {
    why = fmt::format("{} offers no controllers", own.folder);
  } else if (!own.delegated) {
    why = fmt::format("{} is not delegated to procctl-node", own.folder);
  } else if (why = Vacate(own.folder); why.empty()) {
    (void)TurnOn(own.folder, offered, &why);
  }
  // Whatever came through, by us or by whoever set it up.
  tree.controllers_ = TurnOn(tree.path_, Offered(tree.path_), &why);
  if (tree.controllers_ == offered && !offered.empty()) why.clear();
  return tree;
}

absl::Status CgroupTree::Check(const CgroupLimits& limits) const {
  std::vector<std::string> refused;
  for (const LimitFile& limit : FilesOf(limits)) {
    if (limit.value && controllers_.count(limit.controller) == 0)
      refused.push_back(Missing(limit, why_no_controllers_));
  }
  return AllOf(refused);
}

absl::StatusOr<ProgramCgroup> CgroupTree::Make(std::string_view label) const {
  if (!available()) return absl::FailedPreconditionError(why_not_);
  if (!IsLabel(label)) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" cannot be the name of a cgroup: letters, digits and ._@- only", label));
  }
  ProgramCgroup group = Adopt(label);
  if (mkdir(group.path().c_str(), 0755) == 0) return group;
  if (errno == ENOENT && mkdir(path_.c_str(), 0755) == 0) {
    // The tree was removed while it was empty: its controllers went with it.
    std::string why;
    (void)TurnOn(path_, controllers_, &why);
    if (mkdir(group.path().c_str(), 0755) == 0) return group;
  }
  if (errno != EEXIST) {
    return absl::FailedPreconditionError(
        fmt::format("cannot make the cgroup {}: {}", group.path(), std::strerror(errno)));
  }
  if (!group.Populated()) {
    // Whoever froze it meant those who were in it: the next life could not even begin.
    (void)WriteFile(group.path() + "/cgroup.freeze", "0");
    return group;
  }
  return absl::FailedPreconditionError(
      fmt::format("{} still holds {}", group.path(), Names(group.Members())));
}

ProgramCgroup CgroupTree::Adopt(std::string_view label) const {
  // The suffix keeps a program called "cgroup.procs" apart from the file of that name.
  return {path_ + "/" + std::string(label) + std::string(kSuffix), why_no_controllers_};
}

void CgroupTree::RemoveEmpty() const {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(path_.c_str()), closedir);
  if (dir == nullptr) return;
  std::vector<std::string> paths;
  while (const dirent* entry = readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (entry->d_type == DT_DIR && name.size() > kSuffix.size() &&
        name.substr(name.size() - kSuffix.size()) == kSuffix) {
      paths.push_back(path_ + "/" + std::string(name));
    }
  }
  for (std::string& path : paths) {
    const ProgramCgroup group(std::move(path), "");
    if (!group.Populated()) (void)group.Remove();  // whoever came in meanwhile keeps it
  }
}

void CgroupTree::Remove() const {
  RemoveEmpty();
  (void)rmdir(path_.c_str());  // the kernel refuses it for as long as there is a group in it
}

}  // namespace procctl::node
