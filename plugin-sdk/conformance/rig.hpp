// SPDX-License-Identifier: Apache-2.0
//
// One op of a variant, driven through the C tables as an engine drives it, in memory that shows what was touched.
#ifndef ATTNRT_CONFORMANCE_RIG_HPP
#define ATTNRT_CONFORMANCE_RIG_HPP
#include <cstdint>
#include <string>
#include <vector>

#include "attnrt/diag.hpp"
#include "attnrt/plugin.h"
#include "conformance/case.hpp"
#include "conformance/memory.hpp"
#include "conformance/reference.hpp"

namespace attnrt::conformance {

/// A contract that was broken, or a call that failed.
struct Fault {
  std::string check;  ///< "create", "write_kv", "cache_write", "gather_kv", "workspace", "run", "guard", "canary" ...
  std::string sentence;
};

/// What a batch gave, one entry a request.
struct Outcome {
  std::vector<Fault> faults;
  std::vector<std::vector<uint8_t>> bytes;  ///< out as stored, [query_len, Hq, Dv]
  std::vector<std::vector<float>> out;      ///< the same, decoded
  std::vector<std::vector<float>> lse;      ///< [query_len, Hq], empty where not asked for
  bool done = false;                        ///< the calls succeeded; the results may still be wrong
};

/// [one thread per object]
class Rig {
 public:
  Rig(const attnrt_variant& variant, Memory& memory, const attnrt_problem& problem);
  ~Rig();
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  /// Empty where create succeeded.
  const std::vector<Fault>& faults() const noexcept { return faults_; }
  const attnrt_kernel_op* op() const noexcept { return op_; }
  /// What create answered, and with how many sentences.
  attnrt_status status() const noexcept { return status_; }
  int reasons() const noexcept { return reasons_; }
  const attnrt_problem& problem() const noexcept { return problem_; }
  const attnrt_variant& variant() const noexcept { return variant_; }
  Memory& memory() const noexcept { return memory_; }

  /// Fills a cache where the problem has one, plans and runs one batch. `garbage` puts loud numbers instead of NaN
  /// where nothing may be read.
  Outcome run(const Operands& operands, const std::vector<const RequestData*>& requests, bool lse,
              const Placement& placement, bool garbage = false) const;

 private:
  const attnrt_variant& variant_;
  Memory& memory_;
  attnrt_problem problem_;
  attnrt_kernel_op* op_ = nullptr;
  attnrt_status status_ = ATTNRT_OK;
  int reasons_ = 0;
  std::vector<Fault> faults_;
};

/// Collects the sentences of one call. [one thread per object]
class Sink {
 public:
  const attnrt_diag* get() const noexcept { return said_.get(); }
  /// "run answered 1: <sentences>".
  std::string text(const char* call, attnrt_status status) const;
  std::string words() const { return said_.text(); }
  /// Sentences that hold a word.
  int count() const noexcept { return static_cast<int>(said_.worded()); }

 private:
  sdk::DiagSink said_;
};

}  // namespace attnrt::conformance
#endif
