/* SPDX-License-Identifier: Apache-2.0
 *
 * attnrt.h from an engine written in C. */
#include <attnrt/attnrt.h>

const char* engine_sees(void);
const char* engine_sees(void) { return attnrt_version(); }
