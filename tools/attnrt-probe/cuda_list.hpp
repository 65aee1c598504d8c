// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace attnrt::probe {

/// Initialises CUDA in this process and writes its devices to a descriptor, "device MAJOR MINOR NAME" each, or "failed
/// SENTENCE". The exit status for main.
int list_cuda(int descriptor);

}  // namespace attnrt::probe
