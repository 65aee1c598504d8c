// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_VERIFY_WORKER_HPP
#define ATTNRT_CLI_VERIFY_WORKER_HPP
#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace attnrt::cli {

/// One check on one variant; for the check "image" of the library itself backend and variant are "".
struct VerifyJob {
  std::string file, backend, variant, check, promise;
  std::string depth;  ///< "quick", "normal", "all"
  uint64_t seed = 1;
  uint64_t isa = 0;  ///< instruction sets of this machine
};

struct VerifyFinding {
  std::string check, where, sentence;
  bool pass = false, skipped = false;
};

struct VerifyResult {
  VerifyJob job;
  std::vector<VerifyFinding> findings;
  double seconds = 0;
  std::string device;  ///< as ledgers name it: "cpu", "cuda:9.0", "emulated cuda:9.0"; "" where there was none

  bool passed() const;
  bool skipped() const;  ///< nothing was checked
};

/// Runs the jobs, at most `jobs` at once, each in a process of its own; a process that dies or says nothing for
/// `patience` is a finding that failed. `done` is told of each result in the order of `plan`, `progress` of what runs
/// now. Throws Failure where the helper program is missing.
void run_verify_jobs(const std::vector<VerifyJob>& plan, unsigned jobs, std::chrono::seconds patience,
                     const std::function<void(const VerifyResult&)>& done,
                     const std::function<void(const std::string&)>& progress);

}  // namespace attnrt::cli
#endif
