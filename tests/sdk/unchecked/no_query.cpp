// SPDX-License-Identifier: Apache-2.0
// A shared object that carries the note and no query.
#include <attnrt/plugin.h>

ATTNRT_PLUGIN_NOTE("no_query", "0.1.0");
