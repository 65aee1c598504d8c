// SPDX-License-Identifier: Apache-2.0
#include "merge.cuh"

extern "C" __global__ void __launch_bounds__(attnrt::flash::kMergeThreads)
    merge_states(const __grid_constant__ attnrt::flash::MergeStatesArguments arguments) {
  attnrt::flash::merge_states<attnrt::flash::ELEMENT>(arguments);
}
