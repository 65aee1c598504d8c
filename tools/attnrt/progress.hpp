// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_PROGRESS_HPP
#define ATTNRT_CLI_PROGRESS_HPP
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cstddef>
#include <string>

#include "streams.hpp"

namespace attnrt::cli {

/// Where the measurement stands, on standard error: one line that changes, or a line each where no terminal shows it.
class Progress {
 public:
  Progress(bool quiet, std::size_t steps) : quiet_(quiet), live_(::isatty(STDERR_FILENO) == 1), steps_(steps) {}
  ~Progress() {
    if (!quiet_ && live_) tell("\r\033[K");
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void step(const std::string& what) {
    ++at_;
    if (quiet_) return;
    tell(fmt::format("{}[{}/{}] {}{}", live_ ? "\r\033[K" : "", at_, steps_, what, live_ ? "" : "\n"));
  }

 private:
  bool quiet_, live_;
  std::size_t steps_, at_ = 0;
};

}  // namespace attnrt::cli
#endif
