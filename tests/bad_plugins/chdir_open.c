/* SPDX-License-Identifier: Apache-2.0
 * A host that changes its folder before it opens a runtime: chdir_open FOLDER prints what attnrt_list says. */
#include <attnrt/attnrt.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char** argv) {
  attnrt_runtime* runtime = NULL;
  attnrt_text* list = NULL;
  if (argc != 2 || chdir(argv[1]) != 0 || attnrt_open(NULL, &runtime) != ATTNRT_OK ||
      attnrt_list(runtime, &list) != ATTNRT_OK) {
    fprintf(stderr, "%s\n", attnrt_last_error());
    return 1;
  }
  puts(attnrt_text_data(list));
  attnrt_text_free(list);
  attnrt_close(runtime);
  return 0;
}
