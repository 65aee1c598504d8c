/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine's header is C99 too: it stands alone, and its struct has no hidden padding. */
#include "attnrt/attnrt.h"

typedef char options_start_with_their_size[offsetof(attnrt_options, struct_size) == 0 ? 1 : -1];
typedef char
    options_end_with_a_field[offsetof(attnrt_options, reserved) + sizeof(uint32_t) == sizeof(attnrt_options) ? 1 : -1];

attnrt_status open_and_close(void);
attnrt_status open_and_close(void) {
  attnrt_runtime* runtime = NULL;
  const attnrt_status status = attnrt_open(NULL, &runtime);
  attnrt_close(runtime);
  return status;
}
