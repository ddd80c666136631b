#include "tests/fleetsim/bench/bench_fleet.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "spdlog/fmt/fmt.h"
#include "tests/e2e/harness/wait.h"

namespace procctl::bench {
namespace {

using e2e::HarnessError;
using std::chrono_literals::operator""s;

TlsPem ReadPem(const std::string& folder) {
  auto pem = ReadTls({folder + "/ca.crt", folder + "/cert.pem", folder + "/key.pem"});
  if (!pem.ok()) throw HarnessError(std::string(pem.status().message()));
  return *std::move(pem);
}

void MustSucceed(const e2e::Finished& finished, const std::string& what) {
  if (finished.exit_code == 0) return;
  throw HarnessError(
      fmt::format("{}: exit code {}\n{}{}", what, finished.exit_code, finished.out, finished.err));
}

}  // namespace

std::string Program(const std::string& name) { return std::string(PROCCTL_BIN_DIR "/") + name; }

Numbers ParseNumbers(const std::string& line) {
  Numbers numbers;
  for (std::size_t at = line.find('"'); at != std::string::npos; at = line.find('"', at + 1)) {
    const std::size_t end = line.find("\":", at + 1);
    if (end == std::string::npos) break;
    const std::string key = line.substr(at + 1, end - at - 1);
    const char* const begin = line.data() + end + 2;
    double value = 0;
    const auto read = std::from_chars(begin, line.data() + line.size(), value);
    if (read.ec == std::errc()) numbers[key] = value;
    if (std::strncmp(begin, "true", 4) == 0) numbers[key] = 1;
    at = end;
  }
  return numbers;
}

// --- Simulator

Simulator::Simulator(const std::string& name, const std::string& folder, const std::string& ca,
                     const std::string& controller, std::vector<std::string> arguments)
    : out_(fmt::format("{}/{}.out", folder, name)) {
  e2e::Launch launch;
  launch.argv = {Program("fleetsim"), "--dir", ca, "--controller", controller, "--report", "json"};
  launch.argv.insert(launch.argv.end(), arguments.begin(), arguments.end());
  launch.out = out_;
  launch.err = fmt::format("{}/{}.err", folder, name);
  child_ = e2e::Child(std::move(launch));
}

void Simulator::Read() {
  std::ifstream file(out_, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(read_));
  std::ostringstream text;
  text << file.rdbuf();
  read_ += text.str().size();
  partial_ += text.str();
  for (std::size_t end = partial_.find('\n'); end != std::string::npos; end = partial_.find('\n')) {
    const std::string line = partial_.substr(0, end);
    partial_.erase(0, end + 1);
    const std::size_t mark = line.find("\":");
    if (!line.starts_with("{\"") || mark == std::string::npos) continue;
    const std::string kind = line.substr(2, mark - 2);
    if (kind == "t") {
      latest_ = ParseNumbers(line);
    } else {
      others_.emplace_back(kind, ParseNumbers(line));
    }
  }
}

Numbers Simulator::Latest() {
  Read();
  return latest_;
}

std::vector<Numbers> Simulator::Lines(const std::string& kind) {
  Read();
  std::vector<Numbers> lines;
  for (const auto& [name, numbers] : others_) {
    if (name == kind) lines.push_back(numbers);
  }
  return lines;
}

Numbers Simulator::End() {
  if (child_.Running()) child_.Signal(SIGINT);
  if (!child_.WaitExit(60s).has_value()) throw HarnessError("fleetsim does not end");
  const auto ends = Lines("end");
  return ends.empty() ? Numbers() : ends.back();
}

// --- BenchFleet

BenchFleet::BenchFleet() {
  folder_ = (std::filesystem::temp_directory_path() / "procctl-fleet-XXXXXX").string();
  if (mkdtemp(folder_.data()) == nullptr) throw HarnessError("mkdtemp: " + folder_);
  MustSucceed(
      e2e::RunToEnd({{Program("procctl-controller"), "init", "--dir", ca(), "--fleet", "bench",
                      "--controller", "ctl-1", "--host", "127.0.0.1", "--operator", "bench"}},
                    60s),
      "procctl-controller init");
  operator_ = ReadPem(ca() + "/operators/bench");
}

BenchFleet::~BenchFleet() {
  controller_.Kill();
  if (getenv("PROCCTL_TEST_KEEP") != nullptr) {
    fmt::print("kept: {}\n", folder_);
    return;
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void BenchFleet::WriteConfig() const {
  // All nodes come from one address here, which no real fleet does.
  e2e::WriteFile(folder_ + "/controller.yaml",
                 fmt::format("listen: \"{0}\"\nstate_dir: {1}/state\nca: {2}/controller/ca.crt\n"
                             "cert: {2}/controller/cert.pem\nkey: {2}/controller/key.pem\n"
                             "log: {{level: warning}}\n"
                             "limits: {{connections_per_address: 20000}}\n",
                             address_.empty() ? "127.0.0.1:0" : address_, folder_, ca()));
}

void BenchFleet::StartController() {
  WriteConfig();
  e2e::Launch launch;
  launch.argv = {Program("procctl-controller"), "--config", folder_ + "/controller.yaml"};
  launch.out = folder_ + "/controller.out";
  launch.err = folder_ + "/controller.log";
  // What an earlier life has said is not its own.
  e2e::WriteFile(launch.out, "");
  controller_ = e2e::Child(std::move(launch));
  address_ = controller_.AwaitLine("listening on ", 60s);
}

void BenchFleet::KillController() { controller_.Kill(); }

std::string BenchFleet::ControllerLog() const { return e2e::ReadFile(folder_ + "/controller.log"); }

void BenchFleet::MakeCertificates(const std::vector<std::string>& arguments) {
  e2e::Launch launch;
  launch.argv = {Program("fleetsim"), "--dir", ca(), "--only-certificates"};
  launch.argv.insert(launch.argv.end(), arguments.begin(), arguments.end());
  MustSucceed(e2e::RunToEnd(std::move(launch), 600s), "fleetsim --only-certificates");
}

std::unique_ptr<Simulator> BenchFleet::StartSimulator(const std::string& name,
                                                      std::vector<std::string> arguments) {
  return std::make_unique<Simulator>(name, folder_, ca(), address_, std::move(arguments));
}

// --- Processes

double ResidentMiB(pid_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("VmRSS:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  }
  return 0;
}

std::chrono::nanoseconds ProcessorTime(pid_t pid) {
  const std::string stat = e2e::ReadFile(fmt::format("/proc/{}/stat", pid));
  // The name may hold spaces: fields are counted from its end on. utime is field 14, stime 15.
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  std::int64_t user = 0;
  std::int64_t system = 0;
  fields >> user >> system;
  return std::chrono::nanoseconds((user + system) * (1'000'000'000 / sysconf(_SC_CLK_TCK)));
}

int Descriptors(pid_t pid) {
  std::error_code ignored;
  int count = 0;
  const std::filesystem::path folder = fmt::format("/proc/{}/fd", pid);
  for (std::filesystem::directory_iterator it(folder, ignored), end; it != end; ++it) ++count;
  return count;
}

}  // namespace procctl::bench
