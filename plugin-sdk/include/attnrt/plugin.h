/* SPDX-License-Identifier: Apache-2.0
 *
 * attnrt/plugin.h: the contract between attnrt and an attention backend. C99, no dependency.
 *
 * A plugin is one shared object that exports one symbol, attnrt_plugin_query, which returns a tree of
 * static tables: plugin -> backends -> variants. A variant says what it can do (attnrt_caps) and carries
 * the functions that do it. The host never needs to know the plugin's name.
 *
 * Laws
 *  1. struct_size comes first in every struct; structs grow only at their end and hold no hidden padding.
 *     A reader accepts struct_size >= what it needs (ATTNRT_HAS), never == sizeof(mine).
 *  2. Arrays of structs are arrays of pointers.
 *  3. A field that changes a result comes with a bit in `features`; unknown bits and unknown enum values
 *     are refused with a reason, never ignored.
 *  4. Text never changes hands: errors and refusals are written into a host-owned attnrt_diag during the
 *     call. Static strings live as long as the process.
 *  5. No exception, longjmp, errno or ownership of an allocation crosses the boundary.
 *  6. Every function states its thread rule in brackets.
 */
#ifndef ATTNRT_PLUGIN_H
#define ATTNRT_PLUGIN_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define ATTNRT_EXPORT __attribute__((visibility("default")))

/* MAJOR: an existing field changed layout or meaning. MINOR: something was appended.
 * A host loads its own MAJOR with any MINOR. */
#define ATTNRT_ABI_MAJOR 1u
#define ATTNRT_ABI_MINOR 1u

/* True when the object behind p is new enough to hold `field`. */
#define ATTNRT_HAS(p, field) ((p)->struct_size >= ATTNRT_END_((p), field))
#define ATTNRT_END_(p, field) ((size_t)((const char*)&(p)->field - (const char*)(p)) + sizeof((p)->field))

/* ---- status and diagnostics ----------------------------------------------------------------------- */

typedef int32_t attnrt_status;
#define ATTNRT_OK 0
#define ATTNRT_INVALID 1     /* the caller broke the contract                                   */
#define ATTNRT_UNSUPPORTED 2 /* valid request, not for this kernel: another backend may be tried */
#define ATTNRT_UNAVAILABLE 3 /* no such device, driver or firmware here: another may be tried    */
#define ATTNRT_NO_MEMORY 4   /* host or device memory exhausted                                  */
#define ATTNRT_FAILED 5      /* launch or internal failure; the text is in attnrt_diag           */

/* Why a variant cannot serve a problem: one code for each check, in the order of the checks. */
typedef int32_t attnrt_why;
enum {
  ATTNRT_WHY_OTHER = 0, /* the plugin's own reason, and plain errors */
  ATTNRT_WHY_NOT_INSTALLED = 1,
  ATTNRT_WHY_UNAVAILABLE = 2,
  ATTNRT_WHY_DISABLED = 3,
  ATTNRT_WHY_HEAD_SIZE = 4,
  ATTNRT_WHY_DTYPE = 5,
  ATTNRT_WHY_KV_CACHE_DTYPE = 6,
  ATTNRT_WHY_BLOCK_SIZE = 7,
  ATTNRT_WHY_MM_PREFIX = 8,
  ATTNRT_WHY_FAMILY = 9,
  ATTNRT_WHY_SINKS = 10,
  ATTNRT_WHY_SPARSE = 11,
  ATTNRT_WHY_PER_HEAD_SCALES = 12,
  ATTNRT_WHY_ARCH = 13,
  ATTNRT_WHY_ISA = 14,
  ATTNRT_WHY_ATTN_TYPE = 15,
  ATTNRT_WHY_SLIDING_WINDOW = 16,
  ATTNRT_WHY_NON_CAUSAL = 17,
  ATTNRT_WHY_BATCH_INVARIANCE = 18,
  ATTNRT_WHY_CONTEXT_PARALLEL = 19,
  ATTNRT_WHY_SOFTCAP = 20,
  ATTNRT_WHY_ALIBI = 21,
  ATTNRT_WHY_LSE = 22,
  ATTNRT_WHY_DENSE_MASK = 23,
  ATTNRT_WHY_TREE_MASK = 24,
  ATTNRT_WHY_BLOCK_SPARSE = 25,
  ATTNRT_WHY_DIFF_KV = 26,
  ATTNRT_WHY_OUTPUT_QUANT = 27,
  ATTNRT_WHY_PHASE = 28,
  ATTNRT_WHY_DECODE_QUERY_LEN = 29,
  ATTNRT_WHY_KV_LAYOUT = 30,
  ATTNRT_WHY_GQA_GROUP = 31,
  ATTNRT_WHY_GRAPH_LEVEL = 32,
  ATTNRT_WHY_HOST_LENGTHS = 33,
  ATTNRT_WHY_FEATURE = 34, /* a feature bit that has no check of its own */
  ATTNRT_WHY_COUNT_ = 35
};

/* Host-owned sink for errors and refusals. Never NULL; add may be called 0..n times during the call it was
 * given to, from that thread alone, and copies the text. One sentence: the thing, the value seen, the value wanted. */
typedef struct attnrt_diag {
  uint32_t struct_size;
  uint32_t reserved;
  void* self;
  void (*add)(void* self, attnrt_why why, const char* text);
} attnrt_diag;

/* ---- tensors: bit-identical to DLPack's DLDevice, DLDataType, DLTensor ------------------------------ */

#define ATTNRT_DEVICE_CPU 1   /* kDLCPU  */
#define ATTNRT_DEVICE_CUDA 2  /* kDLCUDA */
#define ATTNRT_DEVICE_ROCM 10 /* kDLROCM */

typedef struct attnrt_device {
  int32_t type; /* ATTNRT_DEVICE_* */
  int32_t id;   /* ordinal, 0 for the CPU */
} attnrt_device;

typedef struct attnrt_dtype {
  uint8_t code; /* 0 int, 1 uint, 2 float, 4 bfloat, 6 bool, 10 e4m3fn, 11 e4m3fnuz, 12 e5m2 */
  uint8_t bits;
  uint16_t lanes; /* 1 */
} attnrt_dtype;

typedef struct attnrt_tensor {
  void* data;
  attnrt_device device;
  int32_t ndim;
  attnrt_dtype dtype;
  int64_t* shape;
  int64_t* strides; /* in elements; never NULL here, never negative; the last one is 1 unless said otherwise */
  uint64_t byte_offset;
} attnrt_tensor;

/* ---- words of a problem and of a capability sheet ---------------------------------------------------- */

/* Element types. Sets of them are masks of (1u << type). */
enum {
  ATTNRT_FP32 = 0,
  ATTNRT_FP16 = 1,
  ATTNRT_BF16 = 2,
  ATTNRT_FP8_E4M3 = 3,     /* OCP e4m3fn */
  ATTNRT_FP8_E4M3FNUZ = 4, /* AMD gfx942 */
  ATTNRT_FP8_E5M2 = 5,
  ATTNRT_INT8 = 6,
  ATTNRT_DTYPE_COUNT_ = 7
};

/* Families (masks). Standard: K and V per KV head. MLA: one latent head shared by all query heads, the
 * up-projection absorbed into q (DeepSeek-V2, arXiv:2405.04434). MLA prefill is a standard problem with mla_* set. */
#define ATTNRT_FAMILY_STANDARD (1u << 0)
#define ATTNRT_FAMILY_MLA (1u << 1)
#define ATTNRT_FAMILIES_ALL_ 0x3u

#define ATTNRT_ATTN_DECODER (1u << 0)
#define ATTNRT_ATTN_ENCODER (1u << 1)         /* the encoder of an encoder-decoder model */
#define ATTNRT_ATTN_ENCODER_ONLY (1u << 2)    /* BERT-like: no cache */
#define ATTNRT_ATTN_ENCODER_DECODER (1u << 3) /* cross attention, K and V of the encoder */
#define ATTNRT_ATTN_ALL_ 0xfu

#define ATTNRT_PHASE_PREFILL (1u << 0)
#define ATTNRT_PHASE_DECODE (1u << 1)
#define ATTNRT_PHASE_MIXED (1u << 2) /* both in one batch */
#define ATTNRT_PHASES_ALL_ 0x7u

/* Where K and V live (masks). */
#define ATTNRT_KV_CONTIGUOUS (1u << 0) /* no cache: k [S, Hkv, Dqk], v [S, Hkv, Dv], each request's rows together */
#define ATTNRT_KV_NHD (1u << 1)        /* paged, [block, slot, head, dim]                         */
#define ATTNRT_KV_HND (1u << 2)        /* paged, [block, head, slot, dim]                         */
#define ATTNRT_KV_PACKED (1u << 3)     /* paged, K and V side by side in one row, [block, slot, head, Dqk + Dv] */
#define ATTNRT_KV_XPACKED (1u << 4)    /* paged, K as [block, head, Dqk/x, slot, x] (ROCm paged attention) */
#define ATTNRT_KV_MLA_LATENT (1u << 5) /* paged, [block, slot, kv_lora + rope], one latent head   */
#define ATTNRT_KV_FP8_DS_MLA (1u << 6) /* paged rows of 656 bytes: 512 e4m3, 4 fp32 scales, 64 bf16 */
#define ATTNRT_KV_NATIVE (1u << 7)     /* the plugin's own packing: written only through write_kv */
#define ATTNRT_KV_LAYOUTS_ALL_ 0xffu

/* Features, one bit each. problem.features names what the call will need; a variant is refused when
 * problem.features & ~caps.features is not 0. */
#define ATTNRT_FEATURE_CAUSAL (UINT64_C(1) << 0)
#define ATTNRT_FEATURE_NON_CAUSAL (UINT64_C(1) << 1)
#define ATTNRT_FEATURE_SLIDING_WINDOW (UINT64_C(1) << 2)
#define ATTNRT_FEATURE_SOFTCAP (UINT64_C(1) << 3)
#define ATTNRT_FEATURE_ALIBI (UINT64_C(1) << 4)
#define ATTNRT_FEATURE_SINKS (UINT64_C(1) << 5)
#define ATTNRT_FEATURE_DENSE_MASK (UINT64_C(1) << 6)
#define ATTNRT_FEATURE_TREE_MASK (UINT64_C(1) << 7)
#define ATTNRT_FEATURE_MM_PREFIX (UINT64_C(1) << 8)
#define ATTNRT_FEATURE_BLOCK_SPARSE (UINT64_C(1) << 9)
#define ATTNRT_FEATURE_SPARSE_TOPK (UINT64_C(1) << 10)
#define ATTNRT_FEATURE_LSE (UINT64_C(1) << 11)
#define ATTNRT_FEATURE_KV_SCALES (UINT64_C(1) << 12)            /* one fp32 scale a tensor (or request) */
#define ATTNRT_FEATURE_PER_HEAD_SCALES (UINT64_C(1) << 13)      /* one a KV head */
#define ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES (UINT64_C(1) << 14) /* fp32 behind each row of the cache, see write_args */
#define ATTNRT_FEATURE_DIFF_KV (UINT64_C(1) << 15)              /* head_size_v != head_size_qk, standard family */
#define ATTNRT_FEATURE_CONTEXT_PARALLEL (UINT64_C(1) << 16)     /* partial results over local keys */
#define ATTNRT_FEATURE_OUTPUT_QUANT (UINT64_C(1) << 17)
#define ATTNRT_FEATURE_FLEX (UINT64_C(1) << 18)            /* problem.flex, a mask and a score of the user's */
#define ATTNRT_FEATURE_CAUSAL_PER_REQUEST (UINT64_C(1) << 19) /* batch.causal */
#define ATTNRT_FEATURE_ALIBI_SQRT (UINT64_C(1) << 20)      /* bias slope * sqrt(distance) instead of linear */
#define ATTNRT_FEATURE_WINDOW_PREFIX (UINT64_C(1) << 21)   /* batch.window_prefix_lens */
#define ATTNRT_FEATURE_SPLIT_Q (UINT64_C(1) << 22)         /* MLA q in two tensors, run_args.q_rope */
#define ATTNRT_FEATURE_COMMON_PREFIX (UINT64_C(1) << 23)   /* uses batch.common_prefix_len (cascade); same result */
#define ATTNRT_FEATURES_ALL_ ((UINT64_C(1) << 24) - 1)

/* Causality of a problem. */
enum { ATTNRT_CAUSAL_NEVER = 0, ATTNRT_CAUSAL_ALWAYS = 1, ATTNRT_CAUSAL_PER_REQUEST = 2 };

/* Determinism levels, each including the one before. Repeatable: same call, same bits. Batch-invariant: a
 * request's bits do not depend on neighbours, order, batch size, padding, block placement or threads.
 * Schedule-invariant: nor on how its prompt was chunked. */
enum {
  ATTNRT_DETERMINISM_NONE = 0,
  ATTNRT_DETERMINISM_REPEATABLE = 1,
  ATTNRT_DETERMINISM_BATCH_INVARIANT = 2,
  ATTNRT_DETERMINISM_SCHEDULE_INVARIANT = 3
};

/* Which batches may be captured in a device graph, each including the one before. A graph of runs reads q, out, caches
 * and operands where they lay at the capture, and the batch that the last plan_update put into the plan: of at most the
 * num_seqs, num_tokens, max_query_len, max_seq_len of the update before the capture, kv_lens exactly where that had it.
 * A graph with its update inside replays that update: its num_seqs, and what its arrays hold by then. */
enum {
  ATTNRT_GRAPH_NEVER = 0,
  ATTNRT_GRAPH_UNIFORM_DECODE = 1, /* all queries of length 1 */
  ATTNRT_GRAPH_UNIFORM_BATCH = 2,  /* all queries of one length */
  ATTNRT_GRAPH_ALWAYS = 3
};

/* What an engine provides, and what a variant needs, beside device pointers (masks). */
#define ATTNRT_HOST_LENGTHS (1u << 0)             /* exact query_start_loc_host, seq_lens_host (kv_* where used) */
#define ATTNRT_HOST_LENGTHS_UPPER_BOUND (1u << 1) /* seq_lens_host may exceed the true lengths, never fall below */
#define ATTNRT_DECODES_FIRST (1u << 2)            /* requests with query_len <= decode_query_len stand first */
#define ATTNRT_PROVIDES_ALL_ 0x7u

/* CPU instruction sets, set only where the operating system saves their registers too. */
#define ATTNRT_ISA_AVX2 (UINT64_C(1) << 0) /* AVX2, FMA and F16C */
#define ATTNRT_ISA_AVX512 (UINT64_C(1) << 1) /* F, BW, DQ, VL, CD */
#define ATTNRT_ISA_AVX512_BF16 (UINT64_C(1) << 2)
#define ATTNRT_ISA_AVX512_VNNI (UINT64_C(1) << 3)
#define ATTNRT_ISA_AVX512_FP16 (UINT64_C(1) << 4)
#define ATTNRT_ISA_AMX_TILE (UINT64_C(1) << 5) /* the system has tile data; create asks for it (attnrt/amx.hpp) */
#define ATTNRT_ISA_AMX_BF16 (UINT64_C(1) << 6)
#define ATTNRT_ISA_AMX_INT8 (UINT64_C(1) << 7)
#define ATTNRT_ISA_AMX_FP16 (UINT64_C(1) << 8)
#define ATTNRT_ISA_NEON (UINT64_C(1) << 9)
#define ATTNRT_ISA_SVE (UINT64_C(1) << 10)
#define ATTNRT_ISA_ALL_ ((UINT64_C(1) << 11) - 1)

/* A mask and a score that a user wrote (attnrt/flex/program.hpp), in its canonical form (attnrt/flex/canonical.hpp). Since
 * 1.1. They hold beside all features of a problem: the score gets what scale, softcap and ALiBi make of q . k; the mask
 * hides what other masks show. Positions are those in the request, b is its number in the batch. */
typedef struct attnrt_flex_program {
  uint32_t struct_size;
  uint32_t num_buffers;
  uint64_t num_bytes;
  const char* bytes; /* the canonical form, without an end mark */
} attnrt_flex_program;

/* What a model needs of attention, static for a layer. Plain data; a zeroed struct with struct_size set is
 * completed by the fields that matter. */
typedef struct attnrt_problem {
  uint32_t struct_size;
  int32_t device_type;       /* ATTNRT_DEVICE_* */
  uint32_t arch;             /* CUDA 90 = 9.0, 120 = 12.0; ROCm the gfx digits as hex, 0x942; CPU 0 */
  uint32_t family;           /* one ATTNRT_FAMILY_* */
  uint64_t isa;              /* ATTNRT_ISA_* present (CPU) */
  uint64_t features;         /* ATTNRT_FEATURE_* required */
  uint32_t attn_type;        /* one ATTNRT_ATTN_* */
  uint32_t phase;            /* one ATTNRT_PHASE_* */
  uint32_t q_dtype;          /* ATTNRT_FP32 ... */
  uint32_t kv_dtype;         /* as stored in the cache */
  uint32_t out_dtype;
  uint32_t kv_layouts;       /* acceptable ATTNRT_KV_* (mask); supports: those on the sheet; create: the one chosen */
  uint32_t block_size;       /* tokens a kernel block; 0 = not fixed (selection) or no cache */
  uint32_t num_heads;        /* 32 */
  uint32_t num_kv_heads;     /* 8; MLA latent: 1 */
  uint32_t head_size_qk;     /* 128; MLA latent: kv_lora + rope = 576 */
  uint32_t head_size_v;      /* 128; MLA latent: kv_lora = 512 */
  uint32_t mla_kv_lora;      /* 512, 0 = not MLA; the four are set for MLA decode and MLA prefill */
  uint32_t mla_nope;         /* 128 */
  uint32_t mla_rope;         /* 64 */
  uint32_t mla_v;            /* 128 */
  int32_t window_left;       /* visible keys left of the query's position, -1 = no limit */
  int32_t window_right;      /* right of it, -1 = no limit; a decoder's window of w is (w - 1, 0) */
  float softcap;             /* s = cap * tanh(s / cap) after the scale, before masks; 0 = off */
  uint32_t causal;           /* ATTNRT_CAUSAL_* */
  uint32_t provides;         /* ATTNRT_HOST_LENGTHS ... (mask) */
  uint32_t decode_query_len; /* longest query of a decode: 1, more when speculating */
  uint32_t determinism;      /* ATTNRT_DETERMINISM_* wanted at least */
  uint32_t graph_level;      /* ATTNRT_GRAPH_* wanted at least */
  uint32_t cp_size;          /* context parallelism: ranks, 0 or 1 = off */
  uint32_t cp_rank;
  uint32_t cp_interleave;    /* local key j stands at ((j / I) * W + r) * I + j % I */
  uint32_t sparse_topk;      /* columns of sparse_indices, 0 = not sparse */
  int32_t device_id;         /* ordinal of a real device, below 0 = hardware that is not in this machine */
  const attnrt_flex_program* flex; /* since 1.1: read where features has FLEX, by create and before */
} attnrt_problem;

/* Sizes a variant admits: a value is admitted when it is in `list`, or when `multiple` is not 0 and the value is a
 * multiple of it within [min, max] (max 0 = no limit). multiple = 1, min = 1, max = 0 is "any". */
typedef struct attnrt_sizes {
  uint32_t struct_size;
  uint32_t list_count;
  const uint32_t* list; /* NULL when list_count is 0 */
  uint32_t multiple;
  uint32_t min;
  uint32_t max;
  uint32_t preferred; /* what to take when nobody asked for one; 0 = no preference */
} attnrt_sizes;

/* The capability sheet of a variant. States what is proved to work, nothing else. */
typedef struct attnrt_caps {
  uint32_t struct_size;
  int32_t device_type;
  const uint32_t* arch_ranges; /* min0, max0, min1, max1, ... inclusive; 80..89 = 8.x; NULL = any */
  uint32_t num_arch_ranges;    /* pairs */
  uint32_t families;
  uint64_t isa;      /* all of these are required (CPU) */
  uint64_t features; /* offered */
  uint32_t needs;    /* ATTNRT_HOST_LENGTHS ..., must be provided */
  uint32_t q_dtypes; /* masks of (1u << type) */
  uint32_t kv_dtypes; /* beyond "same as q": kv_dtype == q_dtype is admitted where q_dtype is in both masks */
  uint32_t out_dtypes;
  uint32_t attn_types;
  uint32_t phases;
  uint32_t kv_layouts;
  uint32_t gqa_group_max; /* num_heads / num_kv_heads, 0 = any */
  const attnrt_sizes* block_sizes; /* a manager's block is served when it is a multiple of an admitted one */
  const attnrt_sizes* head_sizes;  /* of q and k */
  const attnrt_sizes* head_sizes_v; /* of v where it differs (DIFF_KV, MLA); NULL = as head_sizes */
  uint32_t decode_query_max; /* 1 = single token, 0 = any */
  uint32_t determinism;      /* level reached when asked for */
  uint32_t graph_level;
  uint32_t reserved;
  const char* impl; /* whose engine this is: "own", "triton-aot 3.9", "onednn 2.6" */
} attnrt_caps;

/* ---- a cache's layout --------------------------------------------------------------------------------- */

/* How one layer's cache lies in memory. Two backends share a cache only where id, block_size and dtype agree.
 * Affine layouts give element strides for the recommended single allocation of num_blocks * block_bytes; an engine
 * may place K and V elsewhere and pass its own strides. Native layouts have strides 0: whole blocks may be copied. */
typedef struct attnrt_kv_layout {
  uint32_t struct_size;
  uint32_t kind;        /* one ATTNRT_KV_* */
  const char* id;       /* static: "nhd", "hnd", "mla", "cpu_attn/vnni64/1" */
  uint64_t block_bytes; /* of K and V of all KV heads */
  uint64_t alignment;   /* bytes, of the allocation */
  uint64_t v_offset;    /* bytes from the block's start to V; 0 where V is part of K (MLA) */
  int64_t k_strides[3]; /* block, slot, head, in elements */
  int64_t v_strides[3];
  uint32_t block_size;  /* tokens a kernel block */
  uint32_t dtype;       /* of the stored elements; native: ATTNRT_INT8 stands for bytes */
} attnrt_kv_layout;

/* ---- streams -------------------------------------------------------------------------------------------- */

/* One piece of a parallel loop: [begin, end) of the items, run by worker `worker` < num_workers. Must not call back
 * into parallel_for. */
typedef void (*attnrt_task)(void* arg, int64_t begin, int64_t end, uint32_t worker);

/* An engine's thread pool: the `stream` of CPU calls. parallel_for returns when all n items are done; pieces hold at
 * most `grain` items (grain >= 1) except where a pool has one worker; no worker index runs twice at once. It does not
 * nest. */
typedef struct attnrt_executor {
  uint32_t struct_size;
  uint32_t num_workers;
  void* self;
  void (*parallel_for)(void* self, int64_t n, int64_t grain, attnrt_task task, void* arg);
} attnrt_executor;

/* CPU: const attnrt_executor*, NULL = the calling thread. CUDA: CUstream of the device's primary context. ROCm:
 * hipStream_t. CPU calls have finished when they return; device calls are enqueued, whatever context is current. */
typedef const void* attnrt_stream; /* NULL is the legacy stream, also where an engine's own default is per thread */

/* ---- the host as a plugin sees it ------------------------------------------------------------------------ */

enum { ATTNRT_LOG_DEBUG = 0, ATTNRT_LOG_INFO = 1, ATTNRT_LOG_WARNING = 2, ATTNRT_LOG_ERROR = 3 };

typedef struct attnrt_host {
  uint32_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t reserved;
  void* self;
  void (*log)(void* self, int32_t level, const char* text);     /* [thread-safe] ATTNRT_LOG_* */
  const void* (*extension)(void* self, const char* id);         /* [thread-safe] NULL = unknown; may itself be NULL */
} attnrt_host;

/* ---- what a batch and a call carry ---------------------------------------------------------------------- */

/* Largest batch a plan will ever hold. */
typedef struct attnrt_limits {
  uint32_t struct_size;
  uint32_t num_workers;       /* CPU workers the executor will have, >= 1 */
  int32_t max_seqs;
  int32_t max_tokens;         /* query tokens, padding included */
  int32_t max_query_len;
  int32_t max_seq_len;        /* context plus query, or the keys of one request */
  int32_t max_kv_tokens;      /* rows of k and v where there is no cache, else 0 */
  int32_t num_blocks;         /* kernel blocks in the cache; block ids lie in [0, num_blocks) */
  int32_t max_blocks_per_seq; /* width of the block table */
  int32_t num_sms;            /* multiprocessors that runs are to fill, 0 = all */
} attnrt_limits;

/* What a plan needs. All answers depend on problem and limits alone, never on a batch. */
typedef struct attnrt_workspace {
  uint32_t struct_size;
  uint32_t zero_init;         /* 1: the plan's device memory must be zeroed before plan_create */
  uint64_t plan_bytes;        /* device memory of one plan, for its life */
  uint64_t plan_alignment;    /* power of two */
  uint64_t pinned_bytes;      /* page-locked host memory of one plan */
  uint64_t pinned_alignment;
  uint64_t scratch_bytes;     /* device memory that runs scribble on; plans and ops on one stream may share it */
  uint64_t scratch_alignment;
} attnrt_workspace;

typedef struct attnrt_memory {
  uint32_t struct_size;
  uint32_t reserved;
  void* plan;
  uint64_t plan_bytes;
  void* pinned;
  uint64_t pinned_bytes;
  void* scratch;
  uint64_t scratch_bytes;
} attnrt_memory;

/* The tensors of a flex program's buffers, in its order, of the declared dtypes and ranks; extents of one name are equal.
 * fp16, bf16, fp32, i32 and bool as in DLPack. Since 1.1. */
typedef struct attnrt_flex_buffers {
  uint32_t struct_size;
  uint32_t count;
  const attnrt_tensor* const* tensors; /* on the device */
  const attnrt_tensor* const* host;    /* copies in host memory, or NULL; on the CPU NULL */
} attnrt_flex_buffers;

/* One step's requests. Pointers without _host are device memory (host memory on the CPU); _host copies are optional
 * and promised by problem.provides. Query i of request r stands at absolute position seq_len - query_len + i. Where K
 * and V come without a cache, seq_len may be less than query_len: causal queries at positions below 0 see no key. A row
 * that sees no key has out 0 and, without a sink, lse -inf. */
typedef struct attnrt_batch {
  uint32_t struct_size;
  int32_t num_seqs;             /* R; 0 is legal */
  int32_t num_tokens;           /* real query tokens; tensors may have more rows */
  int32_t max_query_len;        /* at least the true maximum */
  int32_t max_seq_len;          /* likewise */
  int32_t num_decodes;          /* with ATTNRT_DECODES_FIRST: how many stand first; else 0 */
  const int32_t* query_start_loc; /* [R + 1], starts at 0, ascending, ends at num_tokens */
  const int32_t* seq_lens;      /* [R] context plus query; encoder_decoder: the decoder's, positions only */
  const int32_t* kv_start_loc;  /* [R + 1] rows of k and v where there is no cache, else NULL */
  const int32_t* kv_lens;       /* [R] visible keys where they are not seq_lens (encoder lengths, context-parallel local
                                   lengths), or NULL */
  const uint8_t* causal;        /* [R], with CAUSAL_PER_REQUEST, else NULL */
  const int32_t* block_table;   /* [R, W] kernel blocks in order; entries past the length are garbage, never read */
  int64_t block_table_stride;   /* elements between rows */
  const int32_t* window_prefix_lens; /* [R], with WINDOW_PREFIX: keys [0, n) are seen outside the window; else NULL */
  const int32_t* query_start_loc_host;
  const int32_t* seq_lens_host;
  const int32_t* kv_start_loc_host;
  const int32_t* kv_lens_host;
  const uint8_t* causal_host;
  int32_t block_table_width;    /* W */
  int32_t common_prefix_len;    /* keys that all requests share at the start of their tables; a hint, 0 = none */
  const attnrt_flex_buffers* flex; /* since 1.1: with FEATURE_FLEX those that the mask reads, others may be NULL; they
                                      keep their contents until the runs that follow are done */
} attnrt_batch;

/* Block-sparse pattern (Phi-3-small): each query block of `block` tokens sees its last local_blocks key blocks and
 * every vertical_stride-th block, shifted by head_step a head. */
typedef struct attnrt_block_sparse {
  uint32_t struct_size;
  uint32_t block;
  uint32_t local_blocks;
  uint32_t vertical_stride;
  uint32_t head_step;
  uint32_t reserved;
} attnrt_block_sparse;

/* Operands of one attention call. Optional ones are NULL; each is given exactly when its feature bit was in the
 * problem. Cache views: NHD and HND alike are passed as logical [num_blocks, block_size, Hkv, D] with strides that tell
 * which; MLA latent as [num_blocks, block_size, 1, kv_lora + rope] in k_cache, v_cache NULL; native as bytes
 * [num_blocks, block_bytes] in k_cache, v_cache NULL. Scales are fp32 device tensors, value = stored * scale. */
typedef struct attnrt_run_args {
  uint32_t struct_size;
  float scale;                          /* softmax scale, 1 / sqrt(head_size) as a rule */
  const attnrt_tensor* q;               /* [T, Hq, Dqk] */
  const attnrt_tensor* k;               /* [S, Hkv, Dqk] where there is no cache */
  const attnrt_tensor* v;               /* [S, Hkv, Dv]  where there is no cache */
  const attnrt_tensor* k_cache;
  const attnrt_tensor* v_cache;
  const attnrt_tensor* out;             /* [T, Hq, Dv], written; rows past num_tokens are left alone */
  const attnrt_tensor* lse;             /* [T, Hq] fp32 by strides, natural log, sink included; NULL = not wanted */
  const attnrt_tensor* q_scale;         /* [R or 1, 1], with PER_HEAD_SCALES [R or 1, Hkv]; strides 0 legal; NULL = 1 */
  const attnrt_tensor* k_scale;         /* likewise */
  const attnrt_tensor* v_scale;         /* likewise */
  const attnrt_tensor* out_scale;       /* [1], OUTPUT_QUANT: stored = value / scale */
  const attnrt_tensor* out_block_scale; /* written: scales of groups, OUTPUT_QUANT in groups */
  const attnrt_tensor* sinks;           /* [Hq] fp32 or q dtype: one more logit in the denominator, no value */
  const attnrt_tensor* alibi_slopes;    /* [Hq] fp32: s += slope * (key_pos - query_pos) */
  const attnrt_tensor* dense_mask;      /* [R or 1, Hq or 1, Q or 1, K or 1], a dimension of 1 serves all; bool: true =
                                           seen; fp32, fp16, bf16: added. Q and K: of the longest request, or more */
  const attnrt_tensor* tree_mask;       /* fp32 [R or 1, Q, Q], Q >= max_query_len: added to a request's last scores */
  const attnrt_tensor* prefix_ranges;   /* [T, 2] i32 inclusive positions seen both ways, (-1, -1) = none */
  const attnrt_tensor* sparse_indices;  /* [T, topk] i32 logical positions in the request, -1 = none */
  const attnrt_block_sparse* block_sparse;
  const attnrt_tensor* q_rope;          /* SPLIT_Q: [T, H, rope], q then is [T, H, kv_lora] */
  const void* flex;                     /* FEATURE_FLEX: const attnrt_flex_buffers*, all that the program
                                           has, or NULL where it has none */
} attnrt_run_args;

/* Cache write: k [N, Hkv, Dqk], v [N, Hkv, Dv]; MLA: k the latent [N, 1, kv_lora], v the rope part [N, 1, rope].
 * A cache of 8 bits stores the fp32 quotient value / scale, rounded to nearest even; what is too large, infinity too,
 * becomes the largest finite number of its sign. Rows given in the cache's dtype are copied as they are.
 * PER_TOKEN_HEAD_SCALES: each row (token and head) of K and of V has a scale of its own, max |value| / M in fp32, M the
 * largest number of the dtype (int8: 127); it lies behind the row's D elements at the next multiple of 4 bytes, so that
 * strides are multiples of 4 and leave room for it. A row of zeros has scale 0. k_scale and v_scale are NULL in every
 * call then, and rows are given in q's dtype. */
typedef struct attnrt_write_args {
  uint32_t struct_size;
  uint32_t reserved;
  const attnrt_tensor* k;
  const attnrt_tensor* v;
  const attnrt_tensor* slot_mapping; /* [N] i64: block * block_size + offset, -1 = skip */
  const attnrt_tensor* k_cache;
  const attnrt_tensor* v_cache;
  const attnrt_tensor* k_scale; /* [1], with PER_HEAD_SCALES [Hkv], fp32: stored = value / scale; NULL = 1 */
  const attnrt_tensor* v_scale;
} attnrt_write_args;

/* Cache read-out, for chunked MLA prefill and export: rows [kv_starts[r], kv_starts[r] + kv_lens[r]) of each request to
 * k and v, packed at kv_start_loc. Where k and v have q's dtype, a cache of 8 bits is read as stored * scale (rounded
 * to fp32, then to that dtype); where they have the cache's, it is copied. Scales as in write_args. */
typedef struct attnrt_gather_args {
  uint32_t struct_size;
  int32_t num_seqs;
  const int32_t* kv_starts;    /* [R] or NULL = 0 */
  const int32_t* kv_lens;      /* [R] */
  const int32_t* kv_start_loc; /* [R + 1] rows in k and v */
  const int32_t* block_table;  /* [R, W] */
  int64_t block_table_stride;
  int32_t block_table_width;
  uint32_t reserved;
  const attnrt_tensor* k_cache;
  const attnrt_tensor* v_cache;
  const attnrt_tensor* k; /* written: [S, Hkv, Dqk]; MLA: the latent [S, 1, kv_lora] */
  const attnrt_tensor* v; /* written: [S, Hkv, Dv]; MLA: the rope part [S, 1, rope] */
  const attnrt_tensor* k_scale;
  const attnrt_tensor* v_scale;
} attnrt_gather_args;

/* Merge of partial results over disjoint keys: out = sum_i exp(lse_i - lse) out_i, in ascending i. A partial LSE of
 * -inf, or of +inf, which some kernels write for the same, says that there was no key: its partial is not read. NaN in
 * a partial LSE makes the row's out and lse NaN. Sinks were given to exactly one of the partial calls. */
typedef struct attnrt_merge_args {
  uint32_t struct_size;
  int32_t num_partials; /* >= 1; a variant may answer UNSUPPORTED above what it merges at once, at least 4 */
  const attnrt_tensor* const* outs;   /* each [T, Hq, Dv], dtype of out or fp32 */
  const attnrt_tensor* const* lses;   /* each [T, Hq] fp32 */
  const attnrt_tensor* out;           /* [T, Hq, Dv] */
  const attnrt_tensor* lse;           /* [T, Hq] or NULL */
  const attnrt_tensor* out_scale;     /* OUTPUT_QUANT, else NULL */
  int64_t num_tokens;                 /* real rows; those past it are left alone */
  int64_t num_merged_tokens;          /* rows past it copy the last partial alone (no context); num_tokens = all */
} attnrt_merge_args;

/* ---- tables ------------------------------------------------------------------------------------------------ */

typedef struct attnrt_kernel_op attnrt_kernel_op;     /* the plugin's own: a variant created for one problem */
typedef struct attnrt_kernel_plan attnrt_kernel_plan; /* the plugin's own: persistent state of one batch in flight */
typedef struct attnrt_variant attnrt_variant;
typedef struct attnrt_backend attnrt_backend;
typedef struct attnrt_plugin attnrt_plugin;

struct attnrt_variant {
  uint32_t struct_size;
  uint32_t reserved;
  const char* name; /* "avx512_bf16", "FA3" */
  const attnrt_caps* caps;
  const void* self; /* the plugin's own, for tables made from data; may be NULL */

  /* [thread-safe] Refuses combinations that caps cannot say: adds one reason for each and returns UNSUPPORTED. Pure:
   * the same answer on every machine. May be NULL. */
  attnrt_status (*supports)(const attnrt_variant* variant, const attnrt_problem* problem, const attnrt_diag* diag);

  /* [thread-safe] The cache for a problem whose kv_layouts and block_size are settled. Pure. NULL: no cache. */
  attnrt_status (*kv_layout)(const attnrt_variant* variant, const attnrt_problem* problem, attnrt_kv_layout* layout,
                             const attnrt_diag* diag);

  /* [thread-safe] Once a layer shape, also beside another thread's capture. May load modules, JIT, tune, block.
   * UNAVAILABLE: something is not in this machine, or used before a fork. Host and device context outlive the op. */
  attnrt_status (*create)(const attnrt_variant* variant, const attnrt_host* host, const attnrt_problem* problem,
                          attnrt_device device, attnrt_kernel_op** op, const attnrt_diag* diag);
  void (*destroy)(attnrt_kernel_op* op); /* [one thread per op] its plans are gone by then */

  /* [thread-safe] */
  attnrt_status (*workspace)(const attnrt_kernel_op* op, const attnrt_limits* limits, attnrt_workspace* sizes,
                             const attnrt_diag* diag);

  /* [thread-safe] Binds memory of at least the sizes that `workspace` told, whose addresses hold for its life. */
  attnrt_status (*plan_create)(const attnrt_kernel_op* op, const attnrt_limits* limits, const attnrt_memory* memory,
                               attnrt_kernel_plan** plan, const attnrt_diag* diag);
  /* [one thread per plan] Each step. Writes the batch into the plan's buffers; allocates nothing. On other streams the
   * caller orders the runs and replays behind it; they are done before the next update, and before its arrays go. */
  attnrt_status (*plan_update)(attnrt_kernel_plan* plan, const attnrt_batch* batch, attnrt_stream stream,
                               const attnrt_diag* diag);
  void (*plan_destroy)(attnrt_kernel_plan* plan); /* [one thread per plan] */

  /* [one thread per plan] Each layer. The plan is read-only; plans of one op run concurrently, one plan does not run
   * concurrently with itself. Enqueues only: no allocation, sync, module load or JIT. Where impl is another's
   * library, that may ask the heap for what its own calls need. */
  attnrt_status (*run)(const attnrt_kernel_plan* plan, const attnrt_run_args* args, attnrt_stream stream,
                       const attnrt_diag* diag);

  /* [thread-safe] Each layer, before run. NULL: K and V are always given without a cache. */
  attnrt_status (*write_kv)(const attnrt_kernel_op* op, const attnrt_write_args* args, attnrt_stream stream,
                            const attnrt_diag* diag);
  /* [thread-safe] May be NULL. */
  attnrt_status (*gather_kv)(const attnrt_kernel_op* op, const attnrt_gather_args* args, attnrt_stream stream,
                             const attnrt_diag* diag);
  /* [thread-safe] May be NULL. */
  attnrt_status (*merge_states)(const attnrt_kernel_op* op, const attnrt_merge_args* args, attnrt_stream stream,
                                const attnrt_diag* diag);
};

struct attnrt_backend {
  uint32_t struct_size;
  uint32_t num_variants;
  const char* name;    /* upper case, unique among loaded plugins: "CPU_ATTN"; users force it by this name */
  const char* summary; /* one line */
  const attnrt_variant* const* variants; /* best first */
};

struct attnrt_plugin {
  uint32_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t num_backends;
  const char* name;    /* as in the ELF note: "cpu_attn" */
  const char* version; /* "0.1.0" */
  const char* build;   /* compiler and flags, free text */
  const attnrt_backend* const* backends;
  /* [thread-safe] Can this real device be used? May look for drivers; adds what is missing. NULL = always. */
  attnrt_status (*available)(attnrt_device device, const attnrt_diag* diag);
  /* [thread-safe] Drafts and test hooks; NULL = unknown. May itself be NULL. */
  const void* (*extension)(const char* id);
};

/* The one exported symbol. [thread-safe] Pure: no driver calls, threads, environment or I/O. Returns NULL when
 * host_abi_major is not one it can serve. */
typedef const attnrt_plugin* (*attnrt_plugin_query_fn)(uint32_t host_abi_major, uint32_t host_abi_minor);
#define ATTNRT_PLUGIN_QUERY "attnrt_plugin_query"

/* ---- identity, readable without loading --------------------------------------------------------------------- */

/* An ELF note, so that hosts and tools know a plugin before running any of it. */
typedef struct attnrt_note {
  uint32_t namesz, descsz, type;
  char owner[8]; /* "attnrt" */
  uint32_t struct_size, abi_major, abi_minor;
  uint32_t sanitizers; /* ATTNRT_SAN_* the plugin was built with */
  char name[32];
  char version[16];
} attnrt_note;
#define ATTNRT_NOTE_TYPE 0x41545431u
#define ATTNRT_SAN_ADDRESS (1u << 0)
#define ATTNRT_SAN_THREAD (1u << 1)
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ATTNRT_SANITIZERS ATTNRT_SAN_ADDRESS
#elif __has_feature(thread_sanitizer)
#define ATTNRT_SANITIZERS ATTNRT_SAN_THREAD
#endif
#endif
#if !defined(ATTNRT_SANITIZERS)
#if defined(__SANITIZE_ADDRESS__)
#define ATTNRT_SANITIZERS ATTNRT_SAN_ADDRESS
#elif defined(__SANITIZE_THREAD__)
#define ATTNRT_SANITIZERS ATTNRT_SAN_THREAD
#else
#define ATTNRT_SANITIZERS 0u
#endif
#endif
#define ATTNRT_PLUGIN_NOTE(plugin_name, plugin_version)                                                       \
  __attribute__((section(".note.attnrt"), used, aligned(4))) static const attnrt_note attnrt_note_ = {        \
      7,                                                                                                      \
      sizeof(attnrt_note) - offsetof(attnrt_note, struct_size),                                               \
      ATTNRT_NOTE_TYPE,                                                                                       \
      "attnrt",                                                                                               \
      sizeof(attnrt_note) - offsetof(attnrt_note, struct_size),                                               \
      ATTNRT_ABI_MAJOR,                                                                                       \
      ATTNRT_ABI_MINOR,                                                                                       \
      ATTNRT_SANITIZERS,                                                                                      \
      plugin_name,                                                                                            \
      plugin_version}

#ifdef __cplusplus
}
#endif
#endif
