// SPDX-License-Identifier: Apache-2.0
#include "merge.cuh"

extern "C" __global__ void __launch_bounds__(attnrt::flash::kMergeThreads)
    merge_splits(const __grid_constant__ attnrt::flash::MergeSplitsArguments arguments) {
  attnrt::flash::merge_splits<attnrt::flash::ELEMENT>(arguments);
}
