/* SPDX-License-Identifier: Apache-2.0
 *
 * engine FOLDER BACKEND: an engine of attnrt.h, with no field that a later minor appended, over whatever libattnrt.so
 * it finds. Selects BACKEND in FOLDER and runs one layer, with structs of this header's size, longer ones and some that
 * are too short. Exit status 0: the output is right and the short structs were refused; 3: nothing was selected, the
 * list of what lies in the folder is printed. */
#include <attnrt/attnrt.h>

#include "layer.h"

static int fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, attnrt_last_error());
  return 1;
}
static int refused(attnrt_status status, const char* what) {
  if (status == ATTNRT_INVALID && strstr(attnrt_last_error(), ".struct_size is 16, wanted at least ")) {
    printf("%s\n", attnrt_last_error());
    return 1;
  }
  fprintf(stderr, "%s: status %d, '%s', wanted a refusal of struct_size 16\n", what, status, attnrt_last_error());
  return 0;
}

int main(int argc, char** argv) {
  static layer l;
  attnrt_options options = {
      .struct_size = sizeof options, .flags = ATTNRT_OPTION_IGNORE_ENVIRONMENT, .cache_folder = ""};
  attnrt_runtime* runtime = NULL;
  attnrt_choice* choice = NULL;
  attnrt_op* op = NULL;
  attnrt_plan* plan = NULL;
  LONGER(attnrt_problem) problem;
  LONGER(attnrt_workspace) sizes;
  size_t i;
  int longer;
  if (argc != 3) return 2;
  options.plugin_path = argv[1];
  options.attention_backend = argv[2];
  options.probe = ATTNRT_PROBE_NEVER;
  if (attnrt_open(&options, &runtime) != ATTNRT_OK) return fail("open");

  layer_init(&l);
  memset(&problem, 0xa5, sizeof problem);
  problem.known.struct_size = sizeof(attnrt_problem);
  if (attnrt_problem_init(runtime, "cpu", &problem.known) != ATTNRT_OK) return fail("problem_init");
  for (i = 0; i < sizeof problem.later; ++i)
    if (problem.later[i] != 0xa5 || problem.known.struct_size != sizeof(attnrt_problem))
      return fail("problem_init wrote past struct_size");
  layer_problem(&problem.known);
  problem.known.block_size = 0;
  if (attnrt_select(runtime, &problem.known, &choice) != ATTNRT_OK ||
      strcmp(attnrt_choice_backend(choice), argv[2]) != 0) {
    attnrt_text* list = NULL;
    attnrt_list(runtime, &list);
    printf("%s\n%s\n", attnrt_last_error(), attnrt_text_data(list));
    return 3;
  }
  attnrt_choice_free(choice);
  problem.known.struct_size = sizeof problem;
  if (attnrt_select(runtime, &problem.known, &choice) != ATTNRT_OK) return fail("select, longer");
  if (attnrt_op_create(runtime, choice, &op) != ATTNRT_OK) return fail("op_create");
  memset(&sizes, 0xa5, sizeof sizes);
  sizes.known.struct_size = sizeof(attnrt_workspace);
  if (attnrt_op_workspace(op, &l.limits, &sizes.known) != ATTNRT_OK) return fail("op_workspace");
  for (i = 0; i < sizeof sizes.later; ++i)
    if (sizes.later[i] != 0xa5 || sizes.known.struct_size != sizeof(attnrt_workspace))
      return fail("workspace wrote past struct_size");
  if (attnrt_plan_create(op, &l.limits, NULL, &plan) != ATTNRT_OK) return fail("plan_create");
  for (longer = 0; longer < 2; ++longer) {
    double error;
    l.batch.known.struct_size = longer ? sizeof l.batch : sizeof(attnrt_batch);
    l.run.known.struct_size = longer ? sizeof l.run : sizeof(attnrt_run_args);
    if (attnrt_plan_update(plan, &l.batch.known, NULL) != ATTNRT_OK) return fail("plan_update");
    if (attnrt_run(plan, &l.run.known, NULL) != ATTNRT_OK) return fail("run");
    error = layer_error(&l);
    if (!(error < 1e-5)) {
      fprintf(stderr, "the output is off by %g, wanted less than 1e-5\n", error);
      return 1;
    }
  }
  l.batch.known.struct_size = l.run.known.struct_size = l.limits.struct_size = problem.known.struct_size =
      options.struct_size = 16;
  {
    attnrt_choice* no_choice = NULL;
    attnrt_plan* no_plan = NULL;
    attnrt_runtime* no_runtime = NULL;
    if (!refused(attnrt_run(plan, &l.run.known, NULL), "run") ||
        !refused(attnrt_plan_update(plan, &l.batch.known, NULL), "plan_update") ||
        !refused(attnrt_plan_create(op, &l.limits, NULL, &no_plan), "plan_create") ||
        !refused(attnrt_select(runtime, &problem.known, &no_choice), "select") ||
        !refused(attnrt_problem_init(runtime, "cpu", &problem.known), "problem_init") ||
        !refused(attnrt_open(&options, &no_runtime), "open"))
      return 1;
  }
  printf("an engine of ABI %u.%u runs %s\n", ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR, argv[2]);
  attnrt_plan_free(plan);
  attnrt_op_free(op);
  attnrt_choice_free(choice);
  attnrt_close(runtime);
  return 0;
}
