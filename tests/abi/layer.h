/* SPDX-License-Identifier: Apache-2.0
 *
 * One small layer without a cache, two requests of 5 and 3 tokens, and what plain attention makes of it. Written with
 * the oldest fields alone, so that it compiles with every header of its major. */
#ifndef ATTNRT_TESTS_ABI_LAYER_H
#define ATTNRT_TESTS_ABI_LAYER_H
#include <attnrt/plugin.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TOKENS = 8, HEADS = 4, KV_HEADS = 2, SIZE = 32 };

/* A struct of T and room behind it, as an object of a later minor has; the room is not zero. */
#define LONGER(T)            \
  struct {                   \
    T known;                 \
    unsigned char later[64]; \
  }

typedef struct layer {
  float q[TOKENS * HEADS * SIZE], k[TOKENS * KV_HEADS * SIZE], v[TOKENS * KV_HEADS * SIZE], out[TOKENS * HEADS * SIZE];
  int32_t starts[3], lens[2];
  int64_t q_shape[3], kv_shape[3], q_strides[3], kv_strides[3];
  attnrt_tensor tensors[4];
  LONGER(attnrt_batch) batch;
  LONGER(attnrt_run_args) run;
  attnrt_limits limits;
} layer;

static void layer_problem(attnrt_problem* p) {
  p->device_type = ATTNRT_DEVICE_CPU;
  p->device_id = 0;
  p->family = ATTNRT_FAMILY_STANDARD;
  p->features = ATTNRT_FEATURE_CAUSAL;
  p->attn_type = ATTNRT_ATTN_DECODER;
  p->phase = ATTNRT_PHASE_PREFILL;
  p->q_dtype = p->kv_dtype = p->out_dtype = ATTNRT_FP32;
  p->kv_layouts = ATTNRT_KV_CONTIGUOUS;
  p->num_heads = HEADS;
  p->num_kv_heads = KV_HEADS;
  p->head_size_qk = p->head_size_v = SIZE;
  p->window_left = p->window_right = -1;
  p->causal = ATTNRT_CAUSAL_ALWAYS;
  p->provides = ATTNRT_HOST_LENGTHS | ATTNRT_HOST_LENGTHS_UPPER_BOUND;
  p->decode_query_len = 1;
}

static void layer_tensor(attnrt_tensor* t, float* data, int64_t* shape, int64_t* strides, int64_t heads) {
  const attnrt_device cpu = {ATTNRT_DEVICE_CPU, 0};
  const attnrt_dtype fp32 = {2, 32, 1};
  shape[0] = TOKENS, shape[1] = heads, shape[2] = SIZE;
  strides[0] = heads * SIZE, strides[1] = SIZE, strides[2] = 1;
  t->data = data, t->device = cpu, t->ndim = 3, t->dtype = fp32, t->shape = shape, t->strides = strides,
  t->byte_offset = 0;
}

static void layer_init(layer* l) {
  size_t i;
  memset(l, 0, sizeof *l);
  memset(l->batch.later, 0xa5, sizeof l->batch.later);
  memset(l->run.later, 0xa5, sizeof l->run.later);
  for (i = 0; i < sizeof l->q / sizeof *l->q; ++i) l->q[i] = sinf(1 + 0.37f * (float)i);
  for (i = 0; i < sizeof l->k / sizeof *l->k; ++i)
    l->k[i] = sinf(2 + 0.37f * (float)i), l->v[i] = sinf(3 + 0.37f * (float)i);
  l->starts[1] = 5, l->starts[2] = TOKENS;
  l->lens[0] = 5, l->lens[1] = 3;
  layer_tensor(&l->tensors[0], l->q, l->q_shape, l->q_strides, HEADS);
  layer_tensor(&l->tensors[1], l->k, l->kv_shape, l->kv_strides, KV_HEADS);
  layer_tensor(&l->tensors[2], l->v, l->kv_shape, l->kv_strides, KV_HEADS);
  layer_tensor(&l->tensors[3], l->out, l->q_shape, l->q_strides, HEADS);
  l->batch.known.struct_size = sizeof(attnrt_batch);
  l->batch.known.num_seqs = 2;
  l->batch.known.num_tokens = TOKENS;
  l->batch.known.max_query_len = l->batch.known.max_seq_len = 5;
  l->batch.known.query_start_loc = l->batch.known.query_start_loc_host = l->starts;
  l->batch.known.kv_start_loc = l->batch.known.kv_start_loc_host = l->starts;
  l->batch.known.seq_lens = l->batch.known.seq_lens_host = l->lens;
  l->run.known.struct_size = sizeof(attnrt_run_args);
  l->run.known.scale = 0.25f;
  l->run.known.q = &l->tensors[0];
  l->run.known.k = &l->tensors[1];
  l->run.known.v = &l->tensors[2];
  l->run.known.out = &l->tensors[3];
  l->limits.struct_size = sizeof(attnrt_limits);
  l->limits.num_workers = 1;
  l->limits.max_seqs = 2;
  l->limits.max_tokens = l->limits.max_kv_tokens = TOKENS;
  l->limits.max_query_len = l->limits.max_seq_len = 5;
}

/* The largest difference of out from plain attention in double, after which out is cleared. */
static double layer_error(layer* l) {
  double worst = 0;
  int t, h, j, d;
  for (t = 0; t < TOKENS; ++t)
    for (h = 0; h < HEADS; ++h) {
      const int first = t < 5 ? 0 : 5, kv = h / (HEADS / KV_HEADS);
      double sum = 0, acc[SIZE] = {0};
      for (j = first; j <= t; ++j) {
        double s = 0, w;
        for (d = 0; d < SIZE; ++d)
          s += (double)l->q[(t * HEADS + h) * SIZE + d] * (double)l->k[(j * KV_HEADS + kv) * SIZE + d];
        w = exp(s * 0.25);
        sum += w;
        for (d = 0; d < SIZE; ++d) acc[d] += w * (double)l->v[(j * KV_HEADS + kv) * SIZE + d];
      }
      for (d = 0; d < SIZE; ++d) {
        const double by = fabs(acc[d] / sum - (double)l->out[(t * HEADS + h) * SIZE + d]);
        if (!(by <= worst)) worst = by == by ? by : HUGE_VAL;
      }
    }
  memset(l->out, 0xff, sizeof l->out); /* NaN */
  return worst;
}
#endif
