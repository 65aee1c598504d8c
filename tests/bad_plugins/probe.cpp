// SPDX-License-Identifier: Apache-2.0
// The helper process by itself: time limits, what it inherits, and a host that meddles with its children.
#include "probe.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <mutex>
#include <thread>
#include <vector>

#include "scratch.hpp"

using namespace attnrt::core;
using Catch::Matchers::Contains;

namespace {

constexpr std::chrono::milliseconds kLimit{2500};

Judged judged(const std::filesystem::path& file) {
  struct stat info {};
  REQUIRE(stat(file.c_str(), &info) == 0);
  return {file, FileIdentity::of(info), inspect(file)};
}

Loaded probed(const std::string& name, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
  return probe(probe_program(), {judged(std::filesystem::path(ATTNRT_TEST_FIXTURES) / (name + ".so"))}, {limit}).at(0);
}

class SignalAction {
 public:
  explicit SignalAction(void (*action)(int)) : before_(signal(SIGCHLD, action)) {}
  ~SignalAction() { signal(SIGCHLD, before_); }
  SignalAction(const SignalAction&) = delete;
  SignalAction& operator=(const SignalAction&) = delete;

 private:
  void (*before_)(int);
};

void reap_all(int) {
  const int kept = errno;
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  errno = kept;
}

}  // namespace

TEST_CASE("the helper lies beside the build's library") { REQUIRE(probe_program().why == ""); }

TEST_CASE("whatever hangs is ended in time, wherever it hangs") {
  const struct {
    const char *name, *stage;
  } rows[] = {{"hang_in_constructor", "in load"},
              {"hang_in_query", "in load"},
              {"hang_in_available", "in available"},
              {"hang_in_supports", "in supports of hang_in_supports/nothing"},
              {"hang_in_kv_layout", "in kv_layout of hang_in_kv_layout/nothing"},
              {"hang_in_create", "in create of hang_in_create/nothing"},
              {"hang_in_destroy", "in destroy of hang_in_destroy/nothing"},
              {"hang_in_destructor", "in unload (its destructors)"},
              {"hang_mute_in_query", "in load"},
              {"hang_stopped_in_create", "in create of hang_stopped_in_create/nothing"}};
  std::vector<Loaded> verdicts(std::size(rows));
  std::vector<std::thread> threads;  // at once, or they would take their limits one after the other
  for (std::size_t i = 0; i < std::size(rows); ++i)
    threads.emplace_back([&verdicts, &rows, i] { verdicts[i] = probed(rows[i].name, kLimit); });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    INFO(rows[i].name);
    CHECK(verdicts[i].state == State::timeout);
    CHECK_THAT(verdicts[i].sentence, Contains("did not come back within 2500 ms") && Contains(rows[i].stage));
  }
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);  // no child is left
}

TEST_CASE("a host that ignores or reaps its children gets the same verdicts") {
  for (void (*action)(int) : {SIG_IGN, static_cast<void (*)(int)>(&reap_all)}) {
    const SignalAction meanwhile(action);
    CHECK(probed("well").state == State::loaded);
    const Loaded crash = probed("crash_in_query");
    CHECK(crash.state == State::crashed);
    CHECK_THAT(crash.sentence, Contains("in load"));
    CHECK(probed("throw_in_supports").state == State::invalid);
    CHECK(probed("hang_in_query", kLimit).state == State::timeout);
  }
}

TEST_CASE("the helper inherits no descriptor, blocked signal or ignored signal") {
  const Scratch traces;
  const EnvironmentVariable trace("BAD_PLUGIN_TRACE", traces.path().string());
  const std::filesystem::path secret = traces.write("secret", "keep out");
  const int fd = open(secret.c_str(), O_RDONLY);  // on purpose without O_CLOEXEC
  REQUIRE(dup2(fd, 77) == 77);
  CHECK(probed("well").state == State::loaded);
  close(77);
  close(fd);
  int helpers = 0;
  for (const auto& entry : std::filesystem::directory_iterator(traces.path())) {
    if (entry.path() == secret) continue;
    ++helpers;
    const std::string text = read_bytes(entry.path());
    INFO(text);
    CHECK_THAT(text, !Contains("secret") && Contains("\n0 /dev/null\n") && Contains("\n1 /dev/null\n") &&
                         Contains("\n2 /dev/null\n") && Contains(" pipe:"));
    CHECK(std::count(text.begin(), text.end(), '\n') == 5);  // its own number and four descriptors
  }
  CHECK(helpers == 1);
}

TEST_CASE("the helper tells what the system says of a missing symbol or library, whole and without a frame") {
  CHECK(probed("undefined").sentence == "undefined symbol: bad_plugin_undefined");
  CHECK(probed("missing").sentence ==
        "libbad_plugin_absent.so: cannot open shared object file: No such file or directory");
}

TEST_CASE("what waits too long for its turn is not probed, and that is not its fault") {
  const auto place = std::filesystem::path(ATTNRT_TEST_FIXTURES) / "hang_in_query.so";
  const std::vector<Judged> files(5, judged(place));
  ProbeLimits limits;
  limits.each = std::chrono::milliseconds(300);
  limits.all = std::chrono::milliseconds(400);
  limits.at_once = 2;
  const std::vector<Loaded> verdicts = probe(probe_program(), files, limits);
  REQUIRE(verdicts.size() == 5);
  for (const std::size_t first : {0, 1}) CHECK(verdicts[first].state == State::timeout);
  CHECK(verdicts[4].state == State::unprobed);
  CHECK_THAT(verdicts[4].sentence, Contains("no time was left to probe it: all probes of a scan may take 400 ms"));
}

TEST_CASE("a host and its helper that are halted together are not late") {
  const Scratch traces;
  const EnvironmentVariable trace("BAD_PLUGIN_TRACE", traces.path().string());
  const pid_t host = fork();
  if (host == 0) _exit(probed("slow_in_create", std::chrono::milliseconds(2500)).state == State::loaded ? 0 : 1);
  for (int i = 0; i < 1000 && std::filesystem::is_empty(traces.path()); ++i) usleep(5000);
  REQUIRE_FALSE(std::filesystem::is_empty(traces.path()));
  const auto file = std::filesystem::directory_iterator(traces.path())->path().filename().string();
  const pid_t plugin = std::stoi(file.substr(file.rfind('.') + 1));
  for (const int number : {SIGSTOP, SIGCONT}) {
    for (const pid_t pid : {host, plugin}) REQUIRE(kill(pid, number) == 0);
    if (number == SIGSTOP) std::this_thread::sleep_for(std::chrono::milliseconds(3500));
  }
  int status = 0;
  REQUIRE(waitpid(host, &status, 0) == host);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a helper that somebody ends is not the plugin's crash") {
  const Scratch traces;
  const EnvironmentVariable trace("BAD_PLUGIN_TRACE", traces.path().string());
  for (const int number : {SIGTERM, SIGKILL}) {
    std::thread administrator([&] {
      for (int i = 0; i < 1000 && std::filesystem::is_empty(traces.path()); ++i) usleep(5000);
      const auto file = std::filesystem::directory_iterator(traces.path())->path();
      kill(std::stoi(file.filename().string().substr(file.filename().string().rfind('.') + 1)), number);
      std::filesystem::remove(file);
    });
    const Loaded verdict = probed("slow_in_create");
    administrator.join();
    CHECK(verdict.state == State::unprobed);
    CHECK_THAT(verdict.sentence, Contains("which somebody else did; it is probed again at the next scan"));
  }
}

TEST_CASE("a helper that cannot start is not the plugin's fault") {
  const Scratch folder;
  const auto file = std::filesystem::path(ATTNRT_TEST_FIXTURES) / "well.so";
  const auto text = folder.write("attnrt-probe", "#!/nonexistent\n");
  std::filesystem::permissions(text, std::filesystem::perms::owner_all);
  for (const char* program : {"/nonexistent/attnrt-probe", text.c_str(), "/bin/false", ""}) {
    const Loaded verdict = probe({program, ""}, {judged(file)}).at(0);
    CHECK(verdict.state == State::unprobed);
    CHECK_THAT(verdict.sentence, Contains("the probe could not start: "));
  }
}
