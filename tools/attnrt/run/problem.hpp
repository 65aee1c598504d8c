// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_RUN_PROBLEM_HPP
#define ATTNRT_CLI_RUN_PROBLEM_HPP
#include "run/file.hpp"

namespace attnrt::cli {

/// The element type of plugin.h for F32, F16 and BF16, the only dtypes that q may have, and for F8_E4M3, F8_E5M2 and
/// I8, which a cache may have too.
uint32_t element_of(Dtype dtype) noexcept;
/// The same as --dtype says it: "fp32", "fp16", "bf16", "fp8_e4m3" ...
const char* word_of(Dtype dtype) noexcept;

/// The problem that a run file poses under these flags; with --chunk the one of an engine that feeds it through a paged
/// cache. Throws Failure where a flag contradicts the file's tensors.
attnrt_problem to_run_problem(const Runtime& runtime, const RunFile& run, const RunFlags& flags);

/// 1 / sqrt(head size) or what flag or file say. Throws Failure.
float softmax_scale(const RunFile& run, const RunFlags& flags);

/// Largest batch of a run file. The cache's sizes bound the lengths that its tables may hold.
attnrt_limits limits_of(const RunFile& run, uint32_t num_workers);

/// The whole file as one batch; points into `run`.
attnrt_batch batch_of(const RunFile& run, const attnrt_limits& limits);

}  // namespace attnrt::cli
#endif
