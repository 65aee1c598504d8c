// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_RUN_SCORE_SIZE_HPP
#define ATTNRT_CLI_RUN_SCORE_SIZE_HPP
#include <vector>

#include "attnrt/plugin.h"
#include "run/file.hpp"

namespace attnrt::cli {

/// Where a key's row of one KV head lies in the file's k or cache, counted in rows.
int64_t key_row(const RunFile& run, int64_t request, int64_t head, int64_t key);

/// The size of the scores of each row, [T, Hq], as the conformance kit measures it: the largest |scale q.k| that the
/// row sees, and at least what the terms of such a sum are good for. Where the file has more than a few million scores,
/// |scale| |q| max|k| stands for the largest. A size that is no number counts as 0.
std::vector<double> score_sizes(const RunFile& run, const attnrt_problem& problem, float scale);

}  // namespace attnrt::cli
#endif
