// SPDX-License-Identifier: Apache-2.0
//
// What the amdgpu driver publishes of the devices (/sys/class/kfd/kfd/topology/nodes): the library that stands in for
// HIP answers here too, so that a host which looks for devices without starting HIP finds the one that is played.
// Nothing here initialises the driver.
#include "api.hpp"
#include "state.hpp"

using namespace attnrt::emulator;

/// The text of node `index`'s file `properties`, with what attnrt reads of it; NULL behind the last. [thread-safe]
extern "C" __attribute__((visibility("default"))) const char* attnrt_kfd_node(unsigned index) {
  if (index >= state().contexts.size()) return nullptr;
  // 0x942 is gfx942, whose version is 90402: major in tens of thousands, minor in hundreds, stepping.
  const uint32_t arch = state().contexts[index]->model.arch;
  static thread_local std::string text;
  text = say("gfx_target_version ", (arch >> 8) * 10000 + (arch >> 4 & 15) * 100 + (arch & 15), "\nunique_id ",
             index + 1, "\n");
  return text.c_str();
}
