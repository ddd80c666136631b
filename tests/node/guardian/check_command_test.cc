// `procctl-node check` as it is run by hand, and the example that it calls good.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "procctl/v1/config.pb.h"
#include "proto/support/yaml_config.h"

namespace procctl::node {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr uid_t kNobody = 65534;

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// Keys of which `message` has a value, items of lists and sections included: "limits.nice".
void CollectKeys(const google::protobuf::Message& message, const std::string& prefix,
                 std::set<std::string>* keys) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const auto* field : fields) {
    const bool section = field->message_type() != nullptr &&
                         field->message_type()->full_name() != "google.protobuf.Duration";
    const auto& reflection = *message.GetReflection();
    if (section && field->is_repeated()) {
      for (int i = 0; i < reflection.FieldSize(message, field); ++i)
        CollectKeys(reflection.GetRepeatedMessage(message, field, i), prefix + field->name() + ".",
                    keys);
    } else if (section) {
      CollectKeys(reflection.GetMessage(message, field), prefix + field->name() + ".", keys);
    } else {
      keys->insert(prefix + field->name());
    }
  }
}

void CollectSchema(const google::protobuf::Descriptor& schema, const std::string& prefix,
                   std::set<std::string>* keys) {
  for (int i = 0; i < schema.field_count(); ++i) {
    const auto& field = *schema.field(i);
    if (field.message_type() != nullptr &&
        field.message_type()->full_name() != "google.protobuf.Duration") {
      CollectSchema(*field.message_type(), prefix + field.name() + ".", keys);
    } else {
      keys->insert(prefix + field.name());
    }
  }
}

class CheckCommand : public ::testing::Test {
 protected:
  struct Answer {
    int code = -1;
    std::string out;
    std::string err;
  };

  void SetUp() override {
    char pattern[] = "/tmp/procctl-check-XXXXXX";
    ASSERT_NE(mkdtemp(pattern), nullptr);
    dir_ = pattern;
    // For tests that look at it as somebody else.
    ASSERT_EQ(chmod(dir_.c_str(), 0755), 0);
    // There is a journal, whatever this host has.
    ASSERT_EQ(setenv("PROCCTL_JOURNAL_SOCKET", dir_.c_str(), 1), 0);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = dir_ + "/" + name;
    std::ofstream(path) << text;
    EXPECT_EQ(chmod(path.c_str(), 0644), 0);
    return path;
  }
  // A node without programs yet, that is good wherever the test runs.
  std::string Node(const std::string& text) const {
    return "node: a\nruntime_dir: " + dir_ + "/run\nstate_dir: " + dir_ +
           "/state\nuplink: {path: /bin/true, user: root}\n" + text;
  }
  // The example as it is, but for the program of the uplink, which need not be built here.
  static std::string Example() {
    std::string text = ReadAll(PROCCTL_EXAMPLE);
    const std::string uplink = "uplink: {user: nobody}";
    const size_t at = text.find(uplink);
    EXPECT_NE(at, std::string::npos);
    if (at != std::string::npos)
      text.replace(at, uplink.size(), "uplink: {user: nobody, path: /bin/true}");
    return text;
  }

  // Runs the real program as `uid`, and waits for its end.
  Answer Run(std::vector<std::string> arguments, uid_t uid = geteuid()) {
    // Opened before the user is another: the folder it is in may be closed to that one.
    const int program = open(PROCCTL_NODE, O_PATH | O_CLOEXEC);
    const std::string out = dir_ + "/out";
    const std::string err = dir_ + "/err";
    const int out_fd = open(out.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0666);
    const int err_fd = open(err.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0666);
    EXPECT_TRUE(program >= 0 && out_fd >= 0 && err_fd >= 0) << PROCCTL_NODE;
    arguments.insert(arguments.begin(), "procctl-node");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
      const bool other = uid != geteuid();
      if (other && (setgroups(0, nullptr) != 0 || setgid(uid) != 0 || setuid(uid) != 0)) _exit(126);
      if (dup2(out_fd, 1) < 0 || dup2(err_fd, 2) < 0) _exit(125);
      fexecve(program, argv.data(), environ);
      _exit(errno == EACCES ? 124 : 123);
    }
    close(program);
    close(out_fd);
    close(err_fd);
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), ReadAll(out),
            ReadAll(err)};
  }

  std::string dir_;
};

TEST_F(CheckCommand, TheExampleIsGoodForItsReader) {
  const std::string file = Write("programs.yaml", Example());
  const Answer answer = Run({"check", file});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_THAT(answer.out, StartsWith(file + ": good\n"));
  EXPECT_THAT(answer.out, Not(HasSubstr("note:")));
  EXPECT_EQ(answer.err, "");
}

TEST_F(CheckCommand, TheExampleIsGoodForAPlainUser) {
  if (geteuid() != 0) GTEST_SKIP() << "a plain user played TheExampleIsGoodForItsReader already";
  const std::string file = Write("programs.yaml", Example());
  const Answer answer = Run({"check", file}, kNobody);
  if (answer.code == 126) GTEST_SKIP() << "this root cannot become another user";
  if (answer.code == 124) GTEST_SKIP() << "user 65534 may not execute " << PROCCTL_NODE;
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_THAT(answer.out, StartsWith(file + ": good\n"));
  EXPECT_THAT(answer.out, Not(HasSubstr("note:")));
}

TEST_F(CheckCommand, TheExampleHasEveryKeyOfAProgram) {
  v1::NodeConfig config;
  ConfigLines lines;
  ConfigFaults faults("programs.yaml");
  const std::string text = Example();
  ASSERT_TRUE(ParseYamlConfig("programs.yaml", text, &config, &lines, &faults).ok());
  ASSERT_TRUE(faults.empty()) << faults.status();
  std::set<std::string> missing;
  CollectSchema(*v1::ProgramConfig::descriptor(), "", &missing);
  std::set<std::string> used;
  for (const v1::ProgramConfig& program : config.programs()) CollectKeys(program, "", &used);
  for (const std::string& key : used) missing.erase(key);
  // They stand in comments: nobody but root may use them.
  for (const char* key : {"user", "group", "groups"}) {
    EXPECT_EQ(missing.erase(key), 1U) << key;
    EXPECT_THAT(text, HasSubstr(std::string("\n    # ") + key + ": "));
  }
  EXPECT_THAT(missing, IsEmpty());
}

TEST_F(CheckCommand, QuietTimesAreShownWithTheNextRun) {
  const std::string file = Write("node.yaml", Node("programs:\n"
                                                   "- name: nightly\n"
                                                   "  command: [/bin/true]\n"
                                                   "  cron: \"0 3,12 * * *\"\n"
                                                   "  quiet:\n"
                                                   "  - {from: \"0 0 * * *\", last: 6h}\n"
                                                   "  - {from: \"0 13 * * *\", last: 11h}\n"));
  const Answer answer = Run({"check", file});
  EXPECT_EQ(answer.code, 0) << answer.err;
  // From 13:00 until 06:00, whatever the hour is now.
  EXPECT_THAT(answer.out,
              testing::ContainsRegex("\nnightly: quiet (next from [-0-9]+T13:00:00Z )?until "
                                     "[-0-9]+T06:00:00Z; next run [-0-9]+T12:00:00Z\n"));
}

TEST_F(CheckCommand, AnIntensityThatHidesFailuresIsNoted) {
  const std::string file = Write("node.yaml", Node("programs:\n"
                                                   "- name: slow\n"
                                                   "  command: [/bin/true]\n"
                                                   "  backoff: {first: 10s}\n"
                                                   "- name: good\n"
                                                   "  command: [/bin/true]\n"));
  const Answer answer = Run({"check", file});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(answer.out,
            file + ": good\n" + file +
                ":8: note: slow is never parked while it fails at once: with its backoff it is not "
                "started more than 6 times within 2m; set starts to 3 or less within 2m, or within "
                "to 5m or more, or shorten the backoff\n");
}

TEST_F(CheckCommand, MoreInstancesThanSlotsAreRefused) {
  const std::string file = Write("node.yaml", Node("heartbeat: {max_slots: 10}\n"
                                                   "programs:\n"
                                                   "- name: one\n"
                                                   "  command: [/bin/true]\n"
                                                   "  instances: 10\n"
                                                   "- name: two\n"
                                                   "  command: [/bin/true]\n"));
  const Answer answer = Run({"check", file});
  EXPECT_EQ(answer.code, 2);
  EXPECT_THAT(answer.err,
              HasSubstr(file + ":10: programs.1.instances: with it there are 11 instances of "
                               "programs, a slot each, and heartbeat.max_slots is 10; raise"));
}

TEST_F(CheckCommand, NewKeysAreExplained) {
  for (const auto& [key, words] : {std::pair("watch_file", "a second after the last change"),
                                   std::pair("programs.quiet", "left in peace"),
                                   std::pair("programs.quiet.last", "every window ends"),
                                   std::pair("programs.intensity.starts", "Defaults 6 and 2m")}) {
    const Answer answer = Run({"explain", key});
    EXPECT_EQ(answer.code, 0) << answer.err;
    EXPECT_THAT(answer.out, HasSubstr(words)) << key;
  }
}

TEST_F(CheckCommand, EveryFaultOfAFileIsToldWithItsLine) {
  const std::string file = Write("node.yaml", Node("programs:\n"
                                                   "- name: web\n"
                                                   "  command: [/bin/true]\n"
                                                   "  insances: 2\n"
                                                   "  grace: 5s\n"
                                                   "  grace: 9s\n"
                                                   "  limits: {memory_max: 0}\n"
                                                   "  restart: [always]\n"));
  const Answer answer = Run({"check", file});
  EXPECT_EQ(answer.code, 2);
  EXPECT_EQ(answer.out, "");
  EXPECT_THAT(answer.err,
              AllOf(HasSubstr("has 4 faults:"),
                    HasSubstr(file + ":8: unknown key \"insances\"; did you mean \"instances\"?\n"),
                    HasSubstr(file + ":10: \"grace\" is given twice; keep one\n"),
                    HasSubstr(file + ":11: programs.0.limits.memory_max: 0 is not between"),
                    HasSubstr(file + ":12: \"restart\" must be a single value\n")));
}

TEST_F(CheckCommand, WithoutAJournalItSaysWhatBecomesOfOutput) {
  const std::string file = Write("node.yaml", Node("programs:\n"
                                                   "  - name: web\n    command: [/bin/true]\n"
                                                   "    output: {stdout: journal, stderr: stdout}\n"
                                                   "  - name: db\n    command: [/bin/true]\n"
                                                   "    output: {stderr: journal}\n"
                                                   "  - name: quiet\n    command: [/bin/true]\n"));
  EXPECT_EQ(Run({"check", file}).out, file + ": good\n");
  const std::string away = dir_ + "/no/journal";
  ASSERT_EQ(setenv("PROCCTL_JOURNAL_SOCKET", away.c_str(), 1), 0);
  const Answer answer = Run({"check", file});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(
      answer.out,
      file + ": good\nnote: there is no journal on this host (" + away +
          " is missing): the output of web, db would be kept in memory, 1 MiB for each, until "
          "there is one\n");
}

TEST_F(CheckCommand, ADifferenceIsShownAsAPlan) {
  const std::string old = Write("old.yaml", Node("programs:\n"
                                                 "- {name: web, command: [/bin/a]}\n"
                                                 "- {name: db, shell: exec db, grace: 5s}\n"
                                                 "- {name: gone, shell: exec x}\n"
                                                 "- {name: same, shell: exec x}\n"));
  const std::string file = Write("new.yaml", Node("grace: 3s\n"
                                                  "programs:\n"
                                                  "- {name: web, command: [/bin/b], env: [A=1]}\n"
                                                  "- {name: db, shell: exec db, grace: 9s}\n"
                                                  "- {name: same, shell: exec x}\n"));
  const Answer answer = Run({"check", file, "--diff", old});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(answer.out, file +
                            ": good\n"
                            "web: restart (command, env)\n"
                            "db: live (grace)\n"
                            "gone: removed, is stopped\n"
                            "1 program unchanged\n"
                            "the node itself: needs a restart of the guardian (grace)\n");
  EXPECT_EQ(Run({"check", file, "--diff", file}).out, file + ": good\n3 programs unchanged\n");
}

TEST_F(CheckCommand, ADifferenceToWhatCannotBeReadIsNone) {
  const std::string file = Write("new.yaml", Node(""));
  const Answer none = Run({"check", file, "--diff", dir_ + "/none.yaml"});
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("cannot read " + dir_ + "/none.yaml"));
  EXPECT_EQ(none.out, "");
  const std::string bad = Write("bad.yaml", "nodee: a\n");
  const Answer unknown = Run({"check", file, "--diff", bad});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr(bad + ":1: unknown key \"nodee\""));
  // A user of another day does not matter there, but does here.
  const std::string elsewhere =
      Write("elsewhere.yaml", Node("programs: [{name: a, shell: exec x, user: no-such-user}]\n"));
  EXPECT_THAT(Run({"check", file, "--diff", elsewhere}).out, HasSubstr("a: removed, is stopped\n"));
  EXPECT_EQ(Run({"check", elsewhere, "--diff", file}).code, 2);
}

}  // namespace
}  // namespace procctl::node
