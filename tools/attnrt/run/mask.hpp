// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_RUN_MASK_HPP
#define ATTNRT_CLI_RUN_MASK_HPP
#include "run/file.hpp"
#include "run/reader.hpp"

namespace attnrt::cli {

/// Reads attn_mask, whose sizes are those of the requests or 1; two and three dimensions stand for the last ones of
/// four, as PyTorch broadcasts them. Throws Failure.
void read_mask(RunReader& reader, RunFile& run);

}  // namespace attnrt::cli
#endif
