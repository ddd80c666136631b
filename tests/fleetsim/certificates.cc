#include "tests/fleetsim/certificates.h"

#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "controller/pki/safe_files.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::fleetsim {
namespace {

constexpr std::string_view kMark = "# ";
constexpr auto kLifetime = std::chrono::hours(24) * 365;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string Entry(std::string_view id, const Leaf& leaf) {
  return fmt::format("{}{}\n{}{}", kMark, id, leaf.cert, leaf.key);
}

// The file is the CA's certificate, then for each node a line "# ID", certificate and key.
absl::flat_hash_map<std::string, Leaf> Parse(std::string_view text, std::string_view ca) {
  absl::flat_hash_map<std::string, Leaf> leaves;
  if (text.substr(0, ca.size()) != ca) return leaves;
  text.remove_prefix(ca.size());
  while (text.substr(0, kMark.size()) == kMark) {
    const std::size_t next = std::min(text.find("\n# ", 1), text.size() - 1) + 1;
    const std::string_view entry = text.substr(0, next);
    text.remove_prefix(next);
    const std::size_t line = entry.find('\n');
    constexpr std::string_view kEnd = "-----END CERTIFICATE-----\n";
    const std::size_t end = entry.find(kEnd);
    if (line == std::string_view::npos || end == std::string_view::npos) continue;
    const std::size_t key = end + kEnd.size();
    leaves[std::string(entry.substr(kMark.size(), line - kMark.size()))] = {
        std::string(entry.substr(line + 1, key - line - 1)), std::string(entry.substr(key))};
  }
  return leaves;
}

}  // namespace

absl::StatusOr<Certificates> TakeCertificates(const std::string& init_dir,
                                              const std::string& prefix,
                                              const std::vector<std::string>& ids) {
  const auto authority = Authority::Open(init_dir + "/ca");
  if (!authority.ok()) return authority.status();
  Certificates taken;
  taken.ca = authority->certificate();
  const std::string folder = init_dir + "/fleetsim";
  const std::string path = fmt::format("{}/{}.pem", folder, prefix);
  auto known = Parse(ReadAll(path), taken.ca);
  bool made = false;
  for (const std::string& id : ids) {
    Leaf& leaf = known[id];
    if (leaf.key.empty()) {
      CertificateRequest request;
      request.role = Role::kNode;
      request.id = id;
      request.lifetime = kLifetime;
      auto issued = authority->Certify(request);
      if (!issued.ok()) return issued.status();
      leaf = *std::move(issued);
      made = true;
    }
    taken.leaves.push_back(leaf);
  }
  if (!made) return taken;
  std::string text = taken.ca;
  for (const auto& [id, leaf] : known) text += Entry(id, leaf);
  if (auto s = MakeFolders(folder); !s.ok()) return s;
  if (auto s = WriteFileSafely(path, text, 0600, Existing::kReplace); !s.ok()) return s;
  return taken;
}

}  // namespace procctl::fleetsim
