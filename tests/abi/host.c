/* SPDX-License-Identifier: Apache-2.0
 *
 * host PLUGIN: a host of plugin.h alone, with no field that a later minor appended. Loads a plugin and runs one layer
 * in its first variant that can do it, with structs of this header's size, longer ones and one that is too short. Exit
 * status 0: the output is right and the short struct was refused; 3: the plugin does not serve this host's ABI. */
#include <dlfcn.h>
#include <stdlib.h>

#include "layer.h"

static char said[512];
static void add(void* self, attnrt_why why, const char* text) {
  (void)self, (void)why;
  if (!said[0]) snprintf(said, sizeof said, "%s", text);
}
static void log_nothing(void* self, int32_t level, const char* text) { (void)self, (void)level, (void)text; }

static int fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, said[0] ? said : "no reason given");
  return 1;
}
static int close_to(layer* l, const char* what) {
  const double error = layer_error(l);
  if (error < 1e-5) return 1;
  fprintf(stderr, "%s: the output is off by %g, wanted less than 1e-5\n", what, error);
  return 0;
}
static void* memory_for(uint64_t bytes, uint64_t alignment) {
  void* p = NULL;
  return posix_memalign(&p, alignment < 64 ? 64 : (size_t)alignment, bytes ? (size_t)bytes : 64) ? NULL : p;
}

int main(int argc, char** argv) {
  static layer l;
  const attnrt_diag diag = {sizeof diag, 0, NULL, add};
  const attnrt_host host = {
      .struct_size = sizeof host, .abi_major = ATTNRT_ABI_MAJOR, .abi_minor = ATTNRT_ABI_MINOR, .log = log_nothing};
  const attnrt_device cpu = {ATTNRT_DEVICE_CPU, 0};
  const attnrt_plugin* plugin;
  const attnrt_variant* v = NULL;
  attnrt_plugin_query_fn query;
  attnrt_kernel_op* op = NULL;
  attnrt_kernel_plan* plan = NULL;
  LONGER(attnrt_problem) problem;
  LONGER(attnrt_workspace) sizes;
  attnrt_memory memory;
  uint32_t i, j;
  void* library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  void* symbol = library ? dlsym(library, ATTNRT_PLUGIN_QUERY) : NULL;
  if (!symbol) {
    fprintf(stderr, "%s\n", argc == 2 ? dlerror() : "wanted one plugin");
    return 2;
  }
  memcpy(&query, &symbol, sizeof query);
  plugin = query(ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR);
  if (!plugin || plugin->abi_major != ATTNRT_ABI_MAJOR) {
    printf("%s does not serve ABI %u.%u\n", argv[1], ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR);
    return 3;
  }
  for (i = 0; i < plugin->num_backends; ++i)
    for (j = 0; j < plugin->backends[i]->num_variants; ++j) {
      const attnrt_variant* one = plugin->backends[i]->variants[j];
      const attnrt_caps* caps = one->caps;
      if (!v && caps->device_type == ATTNRT_DEVICE_CPU && !caps->isa && (caps->q_dtypes >> ATTNRT_FP32 & 1u) &&
          (caps->kv_layouts & ATTNRT_KV_CONTIGUOUS))
        v = one;
    }
  if (!v || !ATTNRT_HAS(v, merge_states) || !ATTNRT_HAS(v->caps, impl) || !ATTNRT_HAS(plugin, extension))
    return fail("no such variant");

  layer_init(&l);
  memset(&problem, 0, sizeof problem);
  memset(problem.later, 0xa5, sizeof problem.later);
  memset(&sizes, 0xa5, sizeof sizes);
  layer_problem(&problem.known);
  problem.known.struct_size = sizeof problem;
  if (v->supports && v->supports(v, &problem.known, &diag) != ATTNRT_OK) return fail("supports");
  if (v->create(v, &host, &problem.known, cpu, &op, &diag) != ATTNRT_OK) return fail("create");
  sizes.known.struct_size = sizeof(attnrt_workspace);
  if (v->workspace(op, &l.limits, &sizes.known, &diag) != ATTNRT_OK) return fail("workspace");
  for (i = 0; i < sizeof sizes.later; ++i)
    if (sizes.later[i] != 0xa5 || sizes.known.struct_size != sizeof(attnrt_workspace))
      return fail("workspace wrote past struct_size");
  memset(&memory, 0, sizeof memory);
  memory.struct_size = sizeof memory;
  memory.plan = memory_for(memory.plan_bytes = sizes.known.plan_bytes, sizes.known.plan_alignment);
  memory.pinned = memory_for(memory.pinned_bytes = sizes.known.pinned_bytes, sizes.known.pinned_alignment);
  memory.scratch = memory_for(memory.scratch_bytes = sizes.known.scratch_bytes, sizes.known.scratch_alignment);
  if (sizes.known.zero_init) memset(memory.plan, 0, memory.plan_bytes);
  if (v->plan_create(op, &l.limits, &memory, &plan, &diag) != ATTNRT_OK) return fail("plan_create");
  if (v->plan_update(plan, &l.batch.known, NULL, &diag) != ATTNRT_OK) return fail("plan_update");
  if (v->run(plan, &l.run.known, NULL, &diag) != ATTNRT_OK) return fail("run");
  if (!close_to(&l, "run")) return 1;

  l.batch.known.struct_size = sizeof l.batch;
  l.run.known.struct_size = sizeof l.run;
  if (v->plan_update(plan, &l.batch.known, NULL, &diag) != ATTNRT_OK) return fail("plan_update, longer");
  if (v->run(plan, &l.run.known, NULL, &diag) != ATTNRT_OK) return fail("run, longer");
  if (!close_to(&l, "run, longer")) return 1;

  l.run.known.struct_size = 16;
  if (v->run(plan, &l.run.known, NULL, &diag) != ATTNRT_INVALID || !said[0])
    return fail("run with a struct of 16 bytes is not refused");
  printf("%s %s of ABI %u.%u serves a host of %u.%u; %s\n", plugin->name, plugin->version, plugin->abi_major,
         plugin->abi_minor, ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR, said);
  v->plan_destroy(plan);
  v->destroy(op);
  free(memory.plan);
  free(memory.pinned);
  free(memory.scratch);
  return 0;
}
