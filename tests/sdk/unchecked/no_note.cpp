// SPDX-License-Identifier: Apache-2.0
// A query without the note that lets hosts know a plugin before running it.
#include <attnrt/plugin.h>

extern "C" ATTNRT_EXPORT const attnrt_plugin* attnrt_plugin_query(uint32_t, uint32_t) { return nullptr; }
