// SPDX-License-Identifier: Apache-2.0
//
// arguments.hpp: the arguments of each kernel as the host sets them: the lists are the kernels' own.
#ifndef ATTNRT_FLASH_ATTN_ARGUMENTS_HPP
#define ATTNRT_FLASH_ATTN_ARGUMENTS_HPP
#include "../gpu/arguments.hpp"
#include "kernels/arguments.cuh"

namespace attnrt::flash {

ATTNRT_GPU_ARGUMENTS(AttentionArguments, ATTNRT_FLASH_ATTENTION, kAttentionMembers);
ATTNRT_GPU_ARGUMENTS(MergeSplitsArguments, ATTNRT_FLASH_MERGE_SPLITS, kMergeSplitsMembers);
ATTNRT_GPU_ARGUMENTS(WriteKvArguments, ATTNRT_FLASH_WRITE_KV, kWriteKvMembers);
ATTNRT_GPU_ARGUMENTS(MergeStatesArguments, ATTNRT_FLASH_MERGE_STATES, kMergeStatesMembers);

}  // namespace attnrt::flash
#endif
