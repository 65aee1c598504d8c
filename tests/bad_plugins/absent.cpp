// SPDX-License-Identifier: Apache-2.0
// A library that a plugin was linked with and that is not there when it is loaded.
#include <attnrt/plugin.h>

extern "C" ATTNRT_EXPORT int bad_plugin_absent();
extern "C" ATTNRT_EXPORT int bad_plugin_absent() { return 1; }
