/* SPDX-License-Identifier: Apache-2.0
 *
 * minimal.c: a complete backend in C that knows attnrt/plugin.h and nothing else. fp32, K and V without a cache,
 * decoder and encoder_only, causal or not, grouped query heads, LSE; computed in double, one key after the other: a
 * reference to begin from, not a fast kernel. It leaves wrong calls to its host ("attnrt.host_checks/1").
 *
 *   cc -O2 -fPIC -fvisibility=hidden -shared -Wl,--build-id -I include minimal.c -o minimal.so -lm
 *   attnrt verify ./minimal.so
 */
#include <attnrt/plugin.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HEAD_SIZE 256
#define FEATURES (ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_NON_CAUSAL | ATTNRT_FEATURE_LSE | ATTNRT_FEATURE_DIFF_KV)
#define TYPES (ATTNRT_ATTN_DECODER | ATTNRT_ATTN_ENCODER_ONLY)

struct attnrt_kernel_op { attnrt_problem problem; };
struct attnrt_kernel_plan { const attnrt_kernel_op* op; attnrt_batch batch; /* of the last plan_update */ };

static attnrt_status fail(const attnrt_diag* diag, attnrt_status status, const char* sentence) {
  return diag->add(diag->self, ATTNRT_WHY_OTHER, sentence), status;
}

static float* at(const attnrt_tensor* t, int64_t row, int64_t head) { /* strides are in elements */
  return (float*)((char*)t->data + t->byte_offset) + row * t->strides[0] + head * t->strides[1];
}

/* ---- once a layer shape -------------------------------------------------------------------------------------- */
static int is_refused(const attnrt_problem* p) {
  return p->device_type != ATTNRT_DEVICE_CPU || p->family != ATTNRT_FAMILY_STANDARD || !(p->attn_type & TYPES) ||
         (p->features & ~(FEATURES | ATTNRT_FEATURE_COMMON_PREFIX /* a hint */)) || p->graph_level ||
         (p->q_dtype | p->kv_dtype | p->out_dtype /* fp32 is 0 */) ||
         !(p->kv_layouts & ATTNRT_KV_CONTIGUOUS) || p->head_size_qk > MAX_HEAD_SIZE || p->head_size_v > MAX_HEAD_SIZE;
}

static attnrt_status create(const attnrt_variant* variant, const attnrt_host* host, const attnrt_problem* problem,
                            attnrt_device device, attnrt_kernel_op** op, const attnrt_diag* diag) {
  (void)variant, (void)host, (void)device;
  if (is_refused(problem)) return fail(diag, ATTNRT_UNSUPPORTED, "the sheet of MINIMAL does not admit this problem");
  *op = malloc(sizeof **op);
  if (!*op) return fail(diag, ATTNRT_NO_MEMORY, "an op needs a few hundred bytes of memory, there are none");
  return (*op)->problem = *problem, ATTNRT_OK;
}
static void destroy(attnrt_kernel_op* op) { free(op); }

/* ---- once a batch in flight: the plan lives in memory that the host allocates -------------------------------- */
static attnrt_status workspace(const attnrt_kernel_op* op, const attnrt_limits* limits, attnrt_workspace* sizes,
                               const attnrt_diag* diag) {
  (void)op, (void)limits, (void)diag;
  sizes->plan_bytes = sizeof(attnrt_kernel_plan);
  sizes->plan_alignment = 64;
  return ATTNRT_OK;
}
static attnrt_status plan_create(const attnrt_kernel_op* op, const attnrt_limits* limits, const attnrt_memory* memory,
                                 attnrt_kernel_plan** plan, const attnrt_diag* diag) {
  (void)limits, (void)diag;
  *plan = memset(memory->plan, 0, sizeof **plan);
  (*plan)->op = op;
  return ATTNRT_OK;
}
static void plan_destroy(attnrt_kernel_plan* plan) { (void)plan; }
static attnrt_status plan_update(attnrt_kernel_plan* plan, const attnrt_batch* batch, attnrt_stream stream,
                                 const attnrt_diag* diag) {
  (void)stream, (void)diag;
  memcpy(&plan->batch, batch, batch->struct_size < sizeof *batch ? batch->struct_size : sizeof *batch);
  return ATTNRT_OK;
}

/* ---- once a layer -------------------------------------------------------------------------------------------- */
typedef struct call { const attnrt_kernel_plan* plan; const attnrt_run_args* args; } call;

/* One query row of one head over the keys [first, last) of its request, rows of k and v. */
static void attend(const call* c, int64_t token, int64_t head, int64_t first, int64_t last) {
  const attnrt_problem* p = &c->plan->op->problem;
  const int64_t kv_head = head / (p->num_heads / p->num_kv_heads);
  const float* q = at(c->args->q, token, head);
  double sum = 0, max = -INFINITY, acc[MAX_HEAD_SIZE] = {0};
  for (int64_t key = first; key < last; ++key) {
    const float *k = at(c->args->k, key, kv_head), *v = at(c->args->v, key, kv_head);
    double score = 0;
    for (uint32_t d = 0; d < p->head_size_qk; ++d) score += (double)q[d] * k[d];
    score *= c->args->scale;
    if (score > max || isnan(score)) { /* online softmax: what was summed is rescaled to the new maximum */
      const double old = key == first ? 0 : exp(max - score);
      for (uint32_t d = 0; d < p->head_size_v; ++d) acc[d] *= old;
      sum *= old;
      max = score;
    }
    const double weight = exp(score - max);
    for (uint32_t d = 0; d < p->head_size_v; ++d) acc[d] += weight * v[d];
    sum += weight;
  }
  float* out = at(c->args->out, token, head);
  for (uint32_t d = 0; d < p->head_size_v; ++d) out[d] = first < last ? (float)(acc[d] / sum) : 0; /* no key: 0 */
  if (c->args->lse) *at(c->args->lse, token, head) = (float)(first < last ? max + log(sum) : -INFINITY);
}

/* Items are pairs of request and head. */
static void attend_items(void* arg, int64_t begin, int64_t end, uint32_t worker) {
  (void)worker;
  const call* c = arg;
  const attnrt_batch* b = &c->plan->batch;
  const int64_t heads = c->plan->op->problem.num_heads;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t r = item / heads, queries = b->query_start_loc[r + 1] - b->query_start_loc[r];
    const int64_t keys = b->kv_lens ? b->kv_lens[r] : b->seq_lens[r], first = b->kv_start_loc[r];
    for (int64_t i = 0; i < queries; ++i) { /* query i stands at position seq_len - queries + i */
      int64_t seen = c->plan->op->problem.causal == ATTNRT_CAUSAL_ALWAYS ? b->seq_lens[r] - queries + i + 1 : keys;
      seen = seen < 0 ? 0 : seen > keys ? keys : seen;
      attend(c, b->query_start_loc[r] + i, item % heads, first, first + seen);
    }
  }
}

static attnrt_status run(const attnrt_kernel_plan* plan, const attnrt_run_args* args, attnrt_stream stream,
                         const attnrt_diag* diag) {
  call c = {plan, args}; (void)diag;
  const attnrt_executor* pool = stream; /* NULL: the calling thread */
  const int64_t items = (int64_t)plan->batch.num_seqs * plan->op->problem.num_heads;
  if (!pool) attend_items(&c, 0, items, 0);
  else pool->parallel_for(pool->self, items, 1, attend_items, &c);
  return ATTNRT_OK;
}

/* ---- what it can do, and what it is called ------------------------------------------------------------------- */
static const attnrt_sizes any = {sizeof any, 0, NULL, 1, 1, 0, 0}; /* no list, multiples of 1, from 1, no limit */
static const attnrt_sizes heads = {sizeof heads, 0, NULL, 1, 1, MAX_HEAD_SIZE, 0};
static const attnrt_caps caps = {
    .struct_size = sizeof caps, .device_type = ATTNRT_DEVICE_CPU, .families = ATTNRT_FAMILY_STANDARD,
    .features = FEATURES, .q_dtypes = 1u << ATTNRT_FP32, .kv_dtypes = 1u << ATTNRT_FP32,
    .out_dtypes = 1u << ATTNRT_FP32, .attn_types = TYPES, .phases = ATTNRT_PHASES_ALL_,
    .kv_layouts = ATTNRT_KV_CONTIGUOUS, .block_sizes = &any, .head_sizes = &heads, .impl = "own",
    .determinism = ATTNRT_DETERMINISM_SCHEDULE_INVARIANT};
static const attnrt_variant plain = {.struct_size = sizeof plain, .name = "plain", .caps = &caps, .create = create,
    .destroy = destroy, .workspace = workspace, .plan_create = plan_create, .plan_update = plan_update,
    .plan_destroy = plan_destroy, .run = run};
static const attnrt_variant* const variants[] = {&plain};
static const attnrt_backend minimal = {sizeof minimal, 1, "MINIMAL", "the example in C", variants};
static const attnrt_backend* const backends[] = {&minimal};
static const void* extension(const char* id) { return strcmp(id, "attnrt.host_checks/1") ? NULL : &caps; }
static const attnrt_plugin plugin = {sizeof plugin, ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR, 1, "minimal", "1.0", "C",
                                     backends, NULL, extension};
ATTNRT_PLUGIN_NOTE("minimal", "1.0");

ATTNRT_EXPORT const attnrt_plugin* attnrt_plugin_query(uint32_t host_abi_major, uint32_t host_abi_minor);
const attnrt_plugin* attnrt_plugin_query(uint32_t host_abi_major, uint32_t host_abi_minor) {
  return (void)host_abi_minor, host_abi_major == ATTNRT_ABI_MAJOR ? &plugin : NULL;
}
