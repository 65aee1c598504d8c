// SPDX-License-Identifier: Apache-2.0
#include "verify/worker.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <spdlog/fmt/fmt.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <list>
#include <optional>

#include "document.hpp"
#include "failure.hpp"

extern char** environ;

namespace attnrt::cli {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

// What a check may say. The longest line of an honest one is a sentence, all of its lines are some megabytes; a plugin
// that writes to descriptor 3, which it did not open, can send anything.
constexpr std::size_t kMostNoise = 1 << 20;  ///< bytes that are no finding: a line without an end, or not understood
constexpr std::size_t kMostSaid = 64 << 20;  ///< bytes in all
constexpr int kReadsAtOnce = 64;             ///< then the other workers and the clock have their turn

std::string helper_program() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path helper = self.parent_path().parent_path() / "libexec" / "attnrt" / "attnrt-verify";
  if (error || access(helper.c_str(), X_OK) != 0)
    throw Failure(fmt::format("{} is missing, wanted the program that was installed with attnrt", helper.string()),
                  kCheckFailed);
  return helper.string();
}

/// One process at work.
class Worker {
 public:
  Worker(const std::string& program, const VerifyJob& job, std::size_t index)
      : index_(index), start_(Clock::now()), heard_(start_) {
    result_.job = job;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw Failure(fmt::format("no pipe: {}", std::strerror(errno)), kCheckFailed);
    const std::string isa = fmt::format("{:x}", job.isa), seed = std::to_string(job.seed);
    std::vector<std::string> words = {program, job.file, job.backend, job.variant, job.check, job.depth, seed, isa};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 3);
    const int failed = posix_spawn(&child_, program.c_str(), &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    fd_ = ends[0];
    fcntl(fd_, F_SETFL, O_NONBLOCK);
    if (failed) {
      close(fd_);
      throw Failure(fmt::format("{} cannot be started: {}", program, std::strerror(failed)), kCheckFailed);
    }
  }
  ~Worker() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    if (fd_ >= 0) close(fd_);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  int fd() const { return fd_; }
  std::size_t index() const { return index_; }
  const std::string& at() const { return at_; }
  const VerifyJob& job() const { return result_.job; }

  /// Takes what was said; true once the process has ended or was ended.
  bool listen(std::chrono::seconds patience) {
    char buffer[8192];
    for (int reads = 0; reads < kReadsAtOnce; ++reads) {
      const ssize_t got = read(fd_, buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) break;
      if (got <= 0) return conclude("");
      hear({buffer, static_cast<std::size_t>(got)});
      if (noise_ + text_.size() > kMostNoise || said_ > kMostSaid)
        return stop(
            fmt::format("{} bytes came from descriptor 3, {} of them no finding, wanted findings alone and at "
                        "most {}: the plugin writes to a descriptor that it did not open",
                        said_, noise_ + text_.size(), kMostSaid));
    }
    if (Clock::now() - heard_ < patience) return false;
    return stop(fmt::format("no finding was heard for {} s, wanted an end", patience.count()));
  }
  VerifyResult result() { return std::move(result_); }

 private:
  void hear(std::string_view piece) {
    said_ += piece.size();
    std::size_t begin = 0;
    for (std::size_t end; (end = piece.find('\n', begin)) != std::string_view::npos; begin = end + 1) {
      text_.append(piece.substr(begin, end - begin));
      if (take(text_))
        heard_ = Clock::now();
      else
        noise_ += text_.size() + 1;
      text_.clear();
    }
    text_.append(piece.substr(begin));
  }

  /// False where the line is no message of the helper.
  bool take(const std::string& line) {
    json::error_code error;
    const json::value said = json::parse(line, error);
    if (error || !said.is_object()) return false;
    const json::object& o = said.as_object();
    if (o.contains("device")) {
      result_.device = text_at(said, "device");
    } else if (o.contains("next")) {
      next_ = text_at(said, "next");
      at_ = fmt::format("{} of {}", text_at(said, "done"), text_at(said, "total"));
    } else if (o.contains("check")) {
      result_.findings.push_back({text_at(said, "check"), text_at(said, "where"), text_at(said, "sentence"),
                                  text_at(said, "pass") == "true", text_at(said, "skipped") == "true"});
    } else if (o.contains("died")) {
      const std::string place = text_at(said, "where");
      death_ = "the process died of " + text_at(said, "died") + (place.empty() ? "" : ": an access " + place);
    } else if (o.contains("error")) {
      death_ = text_at(said, "error");
    } else if (o.contains("end")) {
      complete_ = true;
    } else {
      return false;
    }
    return true;
  }

  bool stop(const std::string& why) {
    kill(child_, SIGKILL);
    complete_ = false;  // whatever it said
    return conclude(why);
  }

  bool conclude(std::string why) {
    int status = 0;
    waitpid(child_, &status, 0);
    child_ = -1;
    if (!complete_) {
      if (why.empty()) why = death_;
      if (why.empty() && WIFSIGNALED(status))
        why = fmt::format("the process died of signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
      if (why.empty())
        why = fmt::format("the process left with status {} before its check was done", WEXITSTATUS(status));
      result_.findings.push_back({"process", next_.empty() ? result_.job.variant : next_, why, false, false});
    }
    result_.seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    return true;
  }

  VerifyResult result_;
  std::size_t index_;
  Clock::time_point start_, heard_;
  pid_t child_ = -1;
  int fd_ = -1;
  std::string text_;  ///< the line whose end has not come
  std::string next_, at_, death_;
  std::size_t said_ = 0, noise_ = 0;
  bool complete_ = false;
};

}  // namespace

bool VerifyResult::passed() const {
  return !findings.empty() &&
         std::all_of(findings.begin(), findings.end(), [](const VerifyFinding& f) { return f.pass; });
}

bool VerifyResult::skipped() const {
  return std::all_of(findings.begin(), findings.end(), [](const VerifyFinding& f) { return f.skipped; });
}

void run_verify_jobs(const std::vector<VerifyJob>& plan, unsigned jobs, std::chrono::seconds patience,
                     const std::function<void(const VerifyResult&)>& done,
                     const std::function<void(const std::string&)>& progress) {
  const std::string program = helper_program();
  std::list<Worker> workers;
  std::vector<std::optional<VerifyResult>> results(plan.size());
  std::size_t next = 0, told = 0;
  while (told < plan.size()) {
    while (next < plan.size() && workers.size() < std::max(1u, jobs)) {
      workers.emplace_back(program, plan[next], next);
      ++next;
    }
    std::vector<pollfd> wait;
    std::string running = fmt::format("{} of {} checks done", told, plan.size());
    for (const Worker& w : workers) {
      wait.push_back({w.fd(), POLLIN, 0});
      running += fmt::format("; {}{}{} {}{}{}", w.job().backend, w.job().variant.empty() ? "" : "/", w.job().variant,
                             w.job().check, w.at().empty() ? "" : " ", w.at());
    }
    progress(running);
    poll(wait.data(), wait.size(), 200);
    for (auto w = workers.begin(); w != workers.end();) {
      if (!w->listen(patience)) {
        ++w;
        continue;
      }
      results[w->index()] = w->result();
      w = workers.erase(w);
    }
    for (; told < plan.size() && results[told]; ++told) done(*results[told]);
  }
}

}  // namespace attnrt::cli
