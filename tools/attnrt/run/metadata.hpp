// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_RUN_METADATA_HPP
#define ATTNRT_CLI_RUN_METADATA_HPP
#include "run/flags.hpp"

namespace attnrt::cli {

/// Fills what no flag said from the file's metadata. The value None, Python's for an argument that was not given,
/// leaves the default. Throws Failure for a value that is not understood, or that asks for what attention here does not
/// compute.
void add_metadata(RunFlags& flags, const Safetensors& file, const RunNames& names);

}  // namespace attnrt::cli
#endif
