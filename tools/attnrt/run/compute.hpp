// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_RUN_COMPUTE_HPP
#define ATTNRT_CLI_RUN_COMPUTE_HPP
#include "run/problem.hpp"

namespace attnrt::cli {

/// What a run gave.
struct Computed {
  Array out;                 ///< [T, Hq, Dv] of q's dtype
  std::optional<Array> lse;  ///< [T, Hq] F32
  double milliseconds = 0;   ///< median over the repetitions
};

/// How often and, on the CPU, with how many threads.
struct Effort {
  const attnrt_executor* pool = nullptr;
  int64_t repeat = 1;
};

/// The dtype of q, k, v and the cache as DLPack writes it.
attnrt_dtype dlpack_of(Dtype dtype) noexcept;

/// Output and LSE before a run: NaN everywhere, so that a row which is not written is seen.
Computed unwritten(const RunFile& run, const attnrt_problem& problem);

/// Calls `once` as often as asked and returns the median of the times, in milliseconds.
double median_time(int64_t repeat, const std::function<void()>& once);

/// Sinks, ALiBi slopes and the mask as tensors of a call; keep it while the call runs.
struct Operands {
  Tensor sinks, alibi_slopes, attn_mask;
  Operands(const RunFile& run, attnrt_run_args& args);
};

/// The file as one batch, on the device of the choice: cache rows are written where slot_mapping sends them, then
/// attention runs. Cuts the file's blocks into the kernel's where those are smaller. Throws Error where the library
/// finds lengths, block ids or slots out of range.
Computed compute(const Op& op, const Choice& choice, RunFile& run, float scale, const Effort& effort);

}  // namespace attnrt::cli
#endif
