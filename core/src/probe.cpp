// SPDX-License-Identifier: Apache-2.0
#include "probe.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "descriptor.hpp"
#include "helper_process.hpp"
#include "search.hpp"
#include "trust.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kMaxSaid = 128 << 10, kMaxLibraries = 256;

/// Signals by which somebody else ends a process: an administrator, a service manager, the system that runs out of memory.
constexpr int kFromOutside[] = {SIGTERM, SIGKILL, SIGINT, SIGHUP, SIGQUIT, SIGXCPU};

/// "SIGSEGV"; those for real time have numbers alone.
std::string signal_name(int number) {
  const char* name = sigabbrev_np(number);
  return name ? std::string("SIG") + name : "signal " + std::to_string(number);
}

State state_of(const std::string& word) {
  for (const State s : {State::unresolved, State::invalid, State::incompatible, State::foreign, State::damaged,
                        State::unprobed})
    if (word == state_name(s)) return s;
  return State::invalid;
}

/// No fault of the plugin's, and nothing that is remembered of it.
Loaded not_started(const std::string& why) { return {State::unprobed, "the probe could not start: " + why}; }

/// What the helper said, line by line.
struct Report {
  std::string stage, verdict, end;  ///< the last of each; "" = none
  std::vector<std::string> libraries;

  explicit Report(const std::string& said) {
    for (std::size_t begin = 0; begin < said.size();) {
      const std::size_t stop = std::min(said.find('\n', begin), said.size());
      const std::string line = said.substr(begin, stop - begin);
      begin = stop + 1;
      if (line.starts_with("stage ")) stage = printable(line.substr(6));
      if (line.starts_with("verdict ")) verdict = printable(line.substr(8), 4096);
      if (line.starts_with("end ")) end = line.substr(4);
      if (line.starts_with("library /") && libraries.size() < kMaxLibraries) libraries.push_back(line.substr(8));
    }
  }
  /// The number behind "exit " or "signal "; -1 = the child's end was not told, or not so.
  int number(const std::string& kind) const {
    int value = -1;
    if (end.starts_with(kind)) std::from_chars(end.data() + kind.size(), end.data() + end.size(), value);
    return value;
  }
};

/// One helper at work on one file.
class Helper {
 public:
  /// The system's words where it cannot be started, else "".
  std::string start(const std::filesystem::path& program, const Judged& file) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return std::strerror(errno);
    from_ = Descriptor(ends[0]);
    const Descriptor to(ends[1]);
    const std::string words[] = {file.path.string(), file.identity.text()};
    const std::string why = start_helper(program, words, to.get(), pid_);
    if (!why.empty()) pid_ = 0;
    return why;
  }

  int descriptor() const { return open_ ? from_.get() : -1; }
  Clock::duration used() const { return used_; }
  void spend(Clock::duration time) { used_ += time; }

  /// Takes what the helper said since; true where it has ended. Its end counts, not its pipe's: it may close that and run
  /// on, or leave it to a process of its own.
  bool listen() {
    const bool over = ended();
    char buffer[4096];
    for (ssize_t got = 0; open_ && said_.size() < kMaxSaid && (got = read(from_.get(), buffer, sizeof buffer)) >= 0;) {
      open_ = got > 0;
      said_.append(buffer, static_cast<std::size_t>(got));
    }
    if (said_.size() >= kMaxSaid) open_ = false;
    return over;
  }

  /// Ends what is left of it. It is first told to, so that it ends what it started; what the system cannot end within a
  /// second is left behind unreaped, in `stuck`.
  void finish(std::vector<pid_t>& stuck) {
    if (pid_ == 0) return;
    bool over = ended();
    if (!over) kill(pid_, SIGTERM);
    for (int i = 0; !over && i < 100; ++i) {
      poll(nullptr, 0, 5);
      over = ended();
    }
    siginfo_t info{};
    if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0) kill(-pid_, SIGKILL);
    for (int i = 0; i < 200; ++i) {
      const pid_t waited = waitpid(pid_, &status_, WNOHANG);
      reaped_ = waited == pid_;
      if (reaped_ || (waited < 0 && errno != EINTR)) return;
      poll(nullptr, 0, 5);
    }
    stuck.push_back(pid_);
  }

  Loaded verdict(const std::filesystem::path& program, bool in_time, milliseconds limit) const {
    const Report report(said_);
    const auto beside = [&](State state, std::string sentence) { return Loaded{state, std::move(sentence)}; };
    if (!in_time) {
      const std::string how = "did not come back within " + std::to_string(limit.count()) + " ms";
      if (report.stage.empty()) return not_started(program.string() + " " + how + " and did not come to the plugin");
      return beside(State::timeout, how + " in " + report.stage);
    }
    if (report.stage.empty() && report.verdict.empty())
      return not_started(program.string() + " " + how_it_ended(report) + " before it came to the plugin");
    const int exit = report.number("exit "), signal = report.number("signal ");
    const bool outside = std::find(std::begin(kFromOutside), std::end(kFromOutside), signal) != std::end(kFromOutside);
    if (report.end.empty() || outside)
      return {State::unprobed,
              "the helper " + how_it_ended(report) + " in " + report.stage +
                  ", which somebody else did; it is probed again at the next scan",
              nullptr, "", true};
    const std::string state = report.verdict.substr(0, report.verdict.find(' '));
    if (state == state_name(State::loaded)) {
      if (exit != 0) return beside(State::crashed, how_it_ended(report) + " in " + report.stage);
      Loaded good;
      good.libraries = report.libraries;
      return good;
    }
    if (!report.verdict.empty() && exit == 0)
      return beside(state_of(state), report.verdict.substr(std::min(state.size() + 1, report.verdict.size())));
    return beside(State::crashed, how_it_ended(report) + " in " + report.stage);
  }

 private:
  /// It has ended, or somebody else reaped it. It stays unreaped, so that its group's id stays its own.
  bool ended() const {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == pid_;
  }
  std::string how_it_ended(const Report& report) const {
    if (const int n = report.number("signal "); n >= 0) return "crashed with " + signal_name(n);
    if (const int n = report.number("exit "); n >= 0) return "exited with status " + std::to_string(n);
    if (reaped_ && WIFSIGNALED(status_)) return "was ended by " + signal_name(WTERMSIG(status_));
    if (reaped_ && WIFEXITED(status_)) return "exited with status " + std::to_string(WEXITSTATUS(status_));
    return "ended";
  }

  Descriptor from_;
  pid_t pid_ = 0;
  bool open_ = true, reaped_ = false;
  int status_ = 0;
  Clock::duration used_{0};
  std::string said_;
};

/// Helpers side by side, in one thread.
class ProbeRun {
 public:
  ProbeRun(const ProbeProgram& program, const std::vector<Judged>& files, const ProbeLimits& limits)
      : program_(program), files_(files), limits_(limits), out_(files.size()) {}

  std::vector<Loaded> run() {
    for (std::size_t next = 0; next < files_.size() || !working_.empty();) {
      while (next < files_.size() && working_.size() < std::max(1u, limits_.at_once)) begin(next++);
      tend();
    }
    for (const pid_t pid : stuck_) waitpid(pid, nullptr, WNOHANG);
    return std::move(out_);
  }

 private:
  struct Job {
    std::size_t file;
    std::unique_ptr<Helper> helper;
  };

  void begin(std::size_t file) {
    if (!program_.why.empty()) {
      out_[file] = not_started(program_.why);
      return;
    }
    if (used_ >= limits_.all) {
      out_[file] = {State::unprobed,
                    "no time was left to probe it: all probes of a scan may take " +
                        std::to_string(limits_.all.count()) + " ms together",
                    nullptr, "", true};
      return;
    }
    auto helper = std::make_unique<Helper>();
    if (const std::string why = helper->start(program_.path, files_[file]); !why.empty()) {
      out_[file] = not_started(why);
      return;
    }
    working_.push_back({file, std::move(helper)});
  }

  /// Waits a moment and settles those that have ended or are late.
  void tend() {
    constexpr milliseconds kMoment{20}, kLongest{100};
    if (working_.empty()) return;
    std::vector<pollfd> wait;
    for (const Job& job : working_) wait.push_back({job.helper->descriptor(), POLLIN, 0});
    const Clock::time_point before = Clock::now();
    bool mute = false;
    for (const pollfd& w : wait) mute |= w.fd < 0;
    poll(wait.data(), wait.size(), mute ? 1 : static_cast<int>(kMoment.count()));
    std::vector<Job> left;
    for (Job& job : working_) {
      const bool over = job.helper->listen();
      if (over) job.helper->listen();  // what it said last
      const bool late = !over && job.helper->used() >= limits_.each;
      if (!over && !late) {
        left.push_back(std::move(job));
        continue;
      }
      job.helper->finish(stuck_);
      out_[job.file] = job.helper->verdict(program_.path, over, limits_.each);
    }
    // However long this process was halted, a round counts as a moment: the helpers were halted with it, perhaps.
    const Clock::duration spent = std::min<Clock::duration>(kLongest, Clock::now() - before);
    used_ += spent;
    for (Job& job : left) job.helper->spend(spent);
    working_ = std::move(left);
  }

  const ProbeProgram& program_;
  const std::vector<Judged>& files_;
  const ProbeLimits limits_;
  std::vector<Loaded> out_;
  std::vector<Job> working_;
  std::vector<pid_t> stuck_;
  Clock::duration used_{0};
};

}  // namespace

ProbeProgram probe_program() {
  std::string why = "attnrt-probe is not installed";
  for (const char* place : {ATTNRT_HELPERS_FROM_LIB, "../libexec/attnrt"}) {
    const std::filesystem::path program = (core_folder() / place / "attnrt-probe").lexically_normal();
    std::error_code error;
    if (core_folder().empty() || !std::filesystem::exists(program, error)) continue;
    if (std::string untrusted = distrust(program); !untrusted.empty()) why = "attnrt-probe is not trusted: " + untrusted;
    else if (access(program.c_str(), X_OK) != 0) why = program.string() + " cannot be executed: " + std::strerror(errno);
    else return {program, ""};
  }
  return {{}, why};
}

std::vector<Loaded> probe(const ProbeProgram& program, const std::vector<Judged>& files, const ProbeLimits& limits) {
  return ProbeRun(program, files, limits).run();
}

}  // namespace attnrt::core
