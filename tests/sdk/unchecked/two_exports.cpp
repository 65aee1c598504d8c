// SPDX-License-Identifier: Apache-2.0
// A plugin that was linked without plugin.map and shows a second symbol.
#include <attnrt/plugin.h>

ATTNRT_PLUGIN_NOTE("two_exports", "0.1.0");
extern "C" ATTNRT_EXPORT const attnrt_plugin* attnrt_plugin_query(uint32_t, uint32_t) { return nullptr; }
extern "C" ATTNRT_EXPORT int too_much() { return 1; }
