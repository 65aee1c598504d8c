// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_VERIFY_REPORT_HPP
#define ATTNRT_CLI_VERIFY_REPORT_HPP
#include <boost/json.hpp>
#include <string>
#include <vector>

#include "verify/worker.hpp"

namespace attnrt::cli {

/// Variants that cannot run here, and why.
struct VerifySkip {
  std::string backend, variant, why;
};

struct VerifyReport {
  std::string depth, device;
  std::vector<VerifyResult> results;
  std::vector<VerifySkip> skips;
  double seconds = 0;

  /// Nothing failed, and where variants were asked about at least one met its device, in all of its checks: a device that
  /// some checks met and others did not is in trouble.
  bool passed() const;
};

/// Where the results of the variant of `begin` end. Results of one variant follow each other.
const VerifyResult* end_of_variant(const VerifyResult* begin, const VerifyResult* end);
/// Did every check of these meet the device?
bool met_its_device(const VerifyResult* begin, const VerifyResult* end);

/// A line for each check under the name of its variant; what failed with its case.
void print_verify_result(const VerifyResult& result, std::string& heading);
void print_verify_summary(const VerifyReport& report);

boost::json::object verify_json(const VerifyReport& report);

/// JUnit XML, a suite for each variant. Throws Failure where the file cannot be written.
void write_junit(const std::string& file, const VerifyReport& report);

}  // namespace attnrt::cli
#endif
