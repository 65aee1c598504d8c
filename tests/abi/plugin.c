/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole plugin of plugin.h alone, with no field that a later minor appended: fp32, K and V without a cache, causal.
 * Built from each header under frozen/ and from simulated ones. */
#include <attnrt/plugin.h>
#include <math.h>
#include <stdlib.h>

struct attnrt_kernel_op {
  int num_heads, num_kv_heads, size;
};
struct attnrt_kernel_plan {
  const attnrt_kernel_op* op;
  int32_t num_seqs;
  const int32_t *starts, *kv_starts;
};

static attnrt_status refuse(const attnrt_diag* diag, attnrt_status status, const char* text) {
  diag->add(diag->self, ATTNRT_WHY_OTHER, text);
  return status;
}
#define WANT(p, field, diag) \
  if (!ATTNRT_HAS(p, field)) \
  return refuse(diag, ATTNRT_INVALID, "struct_size is too small, wanted one that holds " #field)

static attnrt_status create(const attnrt_variant* variant, const attnrt_host* host, const attnrt_problem* problem,
                            attnrt_device device, attnrt_kernel_op** op, const attnrt_diag* diag) {
  (void)variant, (void)device;
  WANT(problem, device_id, diag);
  WANT(host, extension, diag);
  *op = (attnrt_kernel_op*)malloc(sizeof **op);
  if (!*op) return refuse(diag, ATTNRT_NO_MEMORY, "no memory for an op");
  (*op)->num_heads = (int)problem->num_heads;
  (*op)->num_kv_heads = (int)problem->num_kv_heads;
  (*op)->size = (int)problem->head_size_qk;
  return ATTNRT_OK;
}
static void destroy(attnrt_kernel_op* op) { free(op); }

static attnrt_status workspace(const attnrt_kernel_op* op, const attnrt_limits* limits, attnrt_workspace* sizes,
                               const attnrt_diag* diag) {
  (void)op;
  WANT(limits, num_sms, diag);
  WANT(sizes, scratch_alignment, diag);
  sizes->zero_init = 0;
  sizes->plan_bytes = sizeof(attnrt_kernel_plan);
  sizes->plan_alignment = 16;
  sizes->pinned_bytes = sizes->scratch_bytes = 0;
  sizes->pinned_alignment = sizes->scratch_alignment = 1;
  return ATTNRT_OK;
}

static attnrt_status plan_create(const attnrt_kernel_op* op, const attnrt_limits* limits, const attnrt_memory* memory,
                                 attnrt_kernel_plan** plan, const attnrt_diag* diag) {
  (void)limits;
  WANT(memory, scratch_bytes, diag);
  if (memory->plan_bytes < sizeof **plan) return refuse(diag, ATTNRT_INVALID, "memory.plan is too small");
  *plan = (attnrt_kernel_plan*)memory->plan;
  (*plan)->op = op;
  (*plan)->num_seqs = 0;
  return ATTNRT_OK;
}
static attnrt_status plan_update(attnrt_kernel_plan* plan, const attnrt_batch* batch, attnrt_stream stream,
                                 const attnrt_diag* diag) {
  (void)stream;
  WANT(batch, common_prefix_len, diag);
  plan->num_seqs = batch->num_seqs;
  plan->starts = batch->query_start_loc;
  plan->kv_starts = batch->kv_start_loc;
  return ATTNRT_OK;
}
static void plan_destroy(attnrt_kernel_plan* plan) { (void)plan; }

static float* row(const attnrt_tensor* t, int64_t token, int64_t head) {
  return (float*)(void*)((char*)t->data + t->byte_offset) + token * t->strides[0] + head * t->strides[1];
}

static attnrt_status run(const attnrt_kernel_plan* plan, const attnrt_run_args* args, attnrt_stream stream,
                         const attnrt_diag* diag) {
  const attnrt_kernel_op* op = plan->op;
  int32_t r, t, j;
  int h, d;
  (void)stream;
  WANT(args, flex, diag);
  for (r = 0; r < plan->num_seqs; ++r) {
    const int32_t first = plan->kv_starts[r], queries = plan->starts[r + 1] - plan->starts[r];
    const int32_t context = plan->kv_starts[r + 1] - first - queries;
    for (t = 0; t < queries; ++t)
      for (h = 0; h < op->num_heads; ++h) {
        const int kv = h / (op->num_heads / op->num_kv_heads);
        const float* q = row(args->q, plan->starts[r] + t, h);
        float* out = row(args->out, plan->starts[r] + t, h);
        double sum = 0;
        for (d = 0; d < op->size; ++d) out[d] = 0;
        for (j = 0; j <= context + t; ++j) {
          const float *k = row(args->k, first + j, kv), *v = row(args->v, first + j, kv);
          double s = 0;
          for (d = 0; d < op->size; ++d) s += (double)q[d] * (double)k[d];
          s = exp(s * (double)args->scale);
          sum += s;
          for (d = 0; d < op->size; ++d) out[d] += (float)s * v[d];
        }
        for (d = 0; d < op->size; ++d) out[d] = (float)((double)out[d] / sum);
      }
  }
  return ATTNRT_OK;
}

static const attnrt_sizes any = {.struct_size = sizeof(attnrt_sizes), .multiple = 1, .min = 1};
static const attnrt_caps caps = {
    .struct_size = sizeof(attnrt_caps),
    .device_type = ATTNRT_DEVICE_CPU,
    .families = ATTNRT_FAMILY_STANDARD,
    .features = ATTNRT_FEATURE_CAUSAL,
    .q_dtypes = 1u << ATTNRT_FP32,
    .kv_dtypes = 1u << ATTNRT_FP32,
    .out_dtypes = 1u << ATTNRT_FP32,
    .attn_types = ATTNRT_ATTN_DECODER,
    .phases = ATTNRT_PHASE_PREFILL,
    .kv_layouts = ATTNRT_KV_CONTIGUOUS,
    .block_sizes = &any,
    .head_sizes = &any,
    .impl = "own",
};
static const attnrt_variant variant = {
    .struct_size = sizeof(attnrt_variant),
    .name = "plain",
    .caps = &caps,
    .create = create,
    .destroy = destroy,
    .workspace = workspace,
    .plan_create = plan_create,
    .plan_update = plan_update,
    .plan_destroy = plan_destroy,
    .run = run,
};
static const attnrt_variant* const variants[] = {&variant};
static const attnrt_backend backend = {.struct_size = sizeof(attnrt_backend),
                                       .num_variants = 1,
                                       .name = "FROZEN",
                                       .summary = "of plugin.h alone",
                                       .variants = variants};
static const attnrt_backend* const backends[] = {&backend};

ATTNRT_PLUGIN_NOTE("frozen", "1.0");
static const attnrt_plugin plugin = {
    .struct_size = sizeof(attnrt_plugin),
    .abi_major = ATTNRT_ABI_MAJOR,
    .abi_minor = ATTNRT_ABI_MINOR,
    .num_backends = 1,
    .name = "frozen",
    .version = "1.0",
    .build = "C",
    .backends = backends,
};

ATTNRT_EXPORT const attnrt_plugin* attnrt_plugin_query(uint32_t host_abi_major, uint32_t host_abi_minor);
const attnrt_plugin* attnrt_plugin_query(uint32_t host_abi_major, uint32_t host_abi_minor) {
  (void)host_abi_minor;
  return host_abi_major == ATTNRT_ABI_MAJOR ? &plugin : NULL;
}
