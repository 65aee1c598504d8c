// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_FAILURE_HPP
#define ATTNRT_CLI_FAILURE_HPP
#include <stdexcept>
#include <string>

namespace attnrt::cli {

/// Exit statuses of the program.
enum Exit : int { kDone = 0, kCheckFailed = 1, kUsage = 2 };

/// Ends the program with a sentence on standard error: the thing, the value seen, the value wanted. Bad flags and bad
/// files end it with 2, a check that failed or a missing backend with 1.
class Failure : public std::runtime_error {
 public:
  explicit Failure(const std::string& sentence, Exit status = kUsage) : std::runtime_error(sentence), status_(status) {}
  Exit status() const noexcept { return status_; }

 private:
  Exit status_;
};

}  // namespace attnrt::cli
#endif
