// SPDX-License-Identifier: Apache-2.0
#include "cuda_helper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <sstream>

#include "descriptor.hpp"
#include "helper_process.hpp"
#include "probe.hpp"
#include "words.hpp"

namespace attnrt::core {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kCudaPatience{20};
constexpr std::size_t kMostSaid = 64 << 10;

/// What comes until the other end closes; false where that does not happen in time.
bool listen(int from, std::string& said) {
  const Clock::time_point end = Clock::now() + kCudaPatience;
  char buffer[4096];
  while (Clock::now() < end && said.size() < kMostSaid) {
    pollfd wait{from, POLLIN, 0};
    if (poll(&wait, 1, 100) <= 0) continue;
    const ssize_t got = read(from, buffer, sizeof buffer);
    if (got == 0) return true;
    if (got > 0)
      said.append(buffer, static_cast<std::size_t>(got));
    else if (errno != EINTR && errno != EAGAIN)
      return false;
  }
  return false;
}

/// A driver may hold a process that the system then cannot end: it is not waited for longer than a second.
void end(pid_t pid) {
  kill(-pid, SIGKILL);
  for (int i = 0; i < 200 && waitpid(pid, nullptr, WNOHANG) == 0; ++i) poll(nullptr, 0, 5);
}

}  // namespace

std::string read_cuda_answer(const std::string& said, std::vector<HelperDevice>& devices) {
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("failed ")) return printable(line.substr(7));
    std::istringstream words(line);
    std::string kind;
    HelperDevice device;
    if (!(words >> kind >> device.major >> device.minor) || kind != "device")
      return "it said '" + printable(line) + "'";
    std::getline(words >> std::ws, device.name);
    device.name = printable(device.name);
    devices.push_back(device);
  }
  return devices.empty() ? "it ended without a word" : "";
}

std::string ask_cuda(std::vector<HelperDevice>& devices) {
  const ProbeProgram program = probe_program();
  if (!program.why.empty()) return program.why;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::strerror(errno);
  const Descriptor from(ends[0]);
  pid_t pid = 0;
  {
    const Descriptor to(ends[1]);
    const std::string words[] = {"--cuda"};
    if (std::string why = start_helper(program.path, words, to.get(), pid); !why.empty()) return why;
  }
  std::string said;
  const bool in_time = listen(from.get(), said);
  end(pid);
  return in_time ? read_cuda_answer(said, devices) : "it did not come back within 20 s";
}

}  // namespace attnrt::core
