#include "node/guardian/program_prepare.h"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

#include "node/os/program_start.h"
#include "node/os/state_files.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

bool IsName(std::string_view text) {
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0])) != 0) return false;
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
}

absl::Status ReadEnvFile(const EnvFile& file, std::vector<std::string>* out) {
  const auto text = ReadFile(file.path);
  if (absl::IsNotFound(text.status()) && file.may_be_missing) return absl::OkStatus();
  if (!text.ok()) {
    return absl::FailedPreconditionError(
        fmt::format("env_files: {}", std::string(text.status().message())));
  }
  size_t begin = 0;
  for (int line = 1; begin < text->size(); ++line) {
    const size_t end = std::min(text->find('\n', begin), text->size());
    std::string entry = text->substr(begin, end - begin);
    begin = end + 1;
    if (!entry.empty() && entry.back() == '\r') entry.pop_back();
    entry.erase(0, std::min(entry.find_first_not_of(" \t"), entry.size()));
    if (entry.empty() || entry[0] == '#') continue;
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || !IsName(entry.substr(0, equals)) ||
        entry.find('\0') != std::string::npos) {
      return absl::FailedPreconditionError(
          fmt::format("env_files: {}:{} is not NAME=VALUE", file.path, line));
    }
    std::string value = entry.substr(equals + 1);
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
        value.back() == value.front()) {
      value = value.substr(1, value.size() - 2);
    }
    out->push_back(entry.substr(0, equals + 1) + value);
  }
  return absl::OkStatus();
}

}  // namespace

Prepared PrepareStart(const ProgramSpec& spec) {
  Prepared out;
  out.argv = spec.argv;
  for (const EnvFile& file : spec.env_files) {
    if (out.status = ReadEnvFile(file, &out.env); !out.status.ok()) return out;
  }
  if (spec.argv[0].find('/') != std::string::npos) return out;
  std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  const auto look = [&path](const std::vector<std::string>& entries) {
    for (const std::string& entry : entries) {
      if (entry.rfind("PATH=", 0) == 0) path = entry.substr(5);
    }
  };
  look(out.env);
  look(spec.env);
  auto found = FindInPath(spec.argv[0], path, spec.dir);
  if (!found.ok()) {
    out.status = found.status();
  } else {
    out.argv[0] = *std::move(found);
  }
  return out;
}

}  // namespace procctl::node
