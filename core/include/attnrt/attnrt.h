/* SPDX-License-Identifier: Apache-2.0
 *
 * attnrt/attnrt.h: the C API of libattnrt.so, for inference engines.
 *
 *   open -> select -> op (once a layer shape) -> kv_layout, workspace -> plan (one a batch in flight)
 *        -> each step: plan_update -> each layer: write_kv, run
 *
 * Every call that can fail returns an attnrt_status; the sentence that belongs to it is attnrt_last_error() on the same
 * thread. The library never prints, throws, aborts or exits. Structs shared with plugins come from plugin.h; set their
 * struct_size. Functions are [thread-safe] unless they say otherwise.
 *
 * A process may fork at any moment. In the child runtimes, choices and texts of the parent work as before; every call
 * on an op or a plan of the parent answers FAILED, and freeing them is allowed. A pool of the parent runs its loops on
 * the calling thread; attnrt_default_executor gives the child one with threads of its own. The thread whose task
 * forked finds its own call FAILED in the child. A child of vfork, _Fork or a bare clone must not call the library.
 */
#ifndef ATTNRT_H
#define ATTNRT_H
#include "attnrt/plugin.h"
#ifdef __cplusplus
extern "C" {
#endif

#define ATTNRT_VERSION "0.1.0"

typedef struct attnrt_runtime attnrt_runtime; /* plugins, table and overrides of one engine */
typedef struct attnrt_choice attnrt_choice;   /* the result of a selection, with all its reasons; immutable */
typedef struct attnrt_op attnrt_op;           /* a variant created for one problem */
typedef struct attnrt_plan attnrt_plan;       /* persistent state of one batch in flight */
typedef struct attnrt_text attnrt_text;       /* a text that the caller frees */
typedef struct attnrt_flex attnrt_flex;       /* a mask and a score of the user's; immutable */

/* The sentence of the last failure on this thread, "" if there was none; valid until this thread's next call. */
ATTNRT_EXPORT const char* attnrt_last_error(void);

/* "0.1.0" */
ATTNRT_EXPORT const char* attnrt_version(void);

/* ---- runtime ---------------------------------------------------------------------------------------------- */

#define ATTNRT_OPTION_IGNORE_ENVIRONMENT (1u << 0) /* no variable is read, ever */
#define ATTNRT_OPTION_TRUST_ANY (1u << 1)          /* load plugins whatever their owner and mode; logged */
#define ATTNRT_OPTION_PINNED_ONLY (1u << 2)        /* load only plugins that the attention config pins */

/* Unknown plugins are loaded in a helper process first. Auto: unless its verdict is remembered; without the helper
 * program only plugins of the default folder are loaded. Always: whatever is remembered. */
#define ATTNRT_PROBE_AUTO 0u
#define ATTNRT_PROBE_NEVER 1u
#define ATTNRT_PROBE_ALWAYS 2u

/* All fields may be 0 or NULL. Strings are copied. Where a field is NULL the environment is asked, then the default
 * holds. */
typedef struct attnrt_options {
  uint32_t struct_size;
  uint32_t flags;                /* ATTNRT_OPTION_* */
  const char* plugin_path;       /* colon list of absolute folders or files (.so), an empty element is the default
                                    folder; else ATTNRT_PLUGIN_PATH */
  const char* priority_file;     /* else ATTNRT_PRIORITY, else the shipped configs/priority.json */
  const char* attention_backend; /* explicit choice: "CPU_ATTN", "FLASH_ATTN/FA2", "auto" */
  const char* attention_config;  /* a JSON object: {"backend": "...", "mla_prefill_backend": "...", ...} */
  void* log_self;
  void (*log)(void* self, int32_t level, const char* text); /* ATTNRT_LOG_*, from any thread; NULL = silent */
  const char* cache_folder;      /* where verdicts are remembered, "" = nowhere; else /attnrt of XDG_CACHE_HOME or
                                    HOME/.cache */
  uint32_t probe;                /* ATTNRT_PROBE_* */
  uint32_t reserved;             /* 0 */
} attnrt_options;

/* Scans the plugin folders and reads the priority table. INVALID: broken options, table or configuration. A folder
 * without plugins is not an error. */
ATTNRT_EXPORT attnrt_status attnrt_open(const attnrt_options* options, attnrt_runtime** runtime);
/* [one thread] Ops, plans and choices may outlive it. */
ATTNRT_EXPORT void attnrt_close(attnrt_runtime* runtime);

/* Looks at the folders again; selections and ops in other threads go on undisturbed. Loaded plugins stay loaded. */
ATTNRT_EXPORT attnrt_status attnrt_rescan(attnrt_runtime* runtime);

/* Forgets that a plugin (by name or file name) crashed or hung when it was probed, and rescans. INVALID: nothing was
 * remembered of it. */
ATTNRT_EXPORT attnrt_status attnrt_forgive(attnrt_runtime* runtime, const char* plugin);

/* Forces a backend for all threads of this runtime, or for the calling thread until the matching pop (scopes nest and
 * come before the global force). NULL, "" and "auto" name nobody: the next weaker source decides. INVALID: an unknown
 * name, UNSUPPORTED: a known one that is not loaded; the sentence tells the state of its file, or "not installed". */
ATTNRT_EXPORT attnrt_status attnrt_force_backend(attnrt_runtime* runtime, const char* backend);
ATTNRT_EXPORT attnrt_status attnrt_push_force(attnrt_runtime* runtime, const char* backend);
ATTNRT_EXPORT attnrt_status attnrt_pop_force(attnrt_runtime* runtime);

/* JSON documents: what lies in the plugin folders; one backend's capability sheet; paths, environment, devices and
 * what is wrong with them. INVALID, UNSUPPORTED: as for force_backend. */
ATTNRT_EXPORT attnrt_status attnrt_list(attnrt_runtime* runtime, attnrt_text** json);
ATTNRT_EXPORT attnrt_status attnrt_show(attnrt_runtime* runtime, const char* backend, attnrt_text** json);
ATTNRT_EXPORT attnrt_status attnrt_doctor(attnrt_runtime* runtime, attnrt_text** json);
/* The priority table in force, as read, and the file it came from. */
ATTNRT_EXPORT attnrt_status attnrt_priority(attnrt_runtime* runtime, attnrt_text** json);

/* Notes in the local ledger that a loaded variant passed the conformance kit (or did not) on a kind of device
 * ("cpu:avx512", "cuda:9.0", "rocm:gfx942"; "cpu" is this machine's); result is free text. Selection prefers verified
 * variants. "emulated cuda:9.0" is a device that the SDK's emulator played: such entries are kept apart and shown apart,
 * and make nothing verified. UNAVAILABLE: no cache folder. */
ATTNRT_EXPORT attnrt_status attnrt_record(attnrt_runtime* runtime, const char* backend, const char* variant,
                                          const char* device, const char* result, int32_t passed);

/* How long one run of a variant takes on a problem: the median of `rounds` rounds, and the interval in which the true
 * median lies with 95 % confidence. */
typedef struct attnrt_timing {
  uint32_t struct_size;
  uint32_t rounds;
  uint32_t num_workers;          /* threads that computed */
  uint32_t reserved;             /* 0 */
  const attnrt_problem* problem; /* as the choice has it: one KV layout; on this machine's CPU */
  const char* backend;           /* "CPU_ATTN" */
  const char* variant;           /* "avx2" */
  double seconds, low, high;     /* the median and its interval */
} attnrt_timing;

/* Keeps measurements of this machine's CPU in the cache folder, in the place of all that were kept of these backends,
 * and ranks their variants by them from now on, in every process of this user: docs/tuning.md says how. The library
 * itself measures nothing. Problems are sorted into classes of those for which one measurement speaks; INVALID: one for
 * which no ranking is kept, unknown names, times out of order. UNAVAILABLE: no cache folder, or a later version wrote
 * the file. */
ATTNRT_EXPORT attnrt_status attnrt_record_timings(attnrt_runtime* runtime, const attnrt_timing* timings,
                                                  uint32_t count);

/* The characters, ended by 0, "" for NULL; valid until the text is freed. Freeing NULL does nothing. */
ATTNRT_EXPORT const char* attnrt_text_data(const attnrt_text* text);
ATTNRT_EXPORT void attnrt_text_free(attnrt_text* text);

/* A pool of num_workers threads, the calling one among them, to pass as stream; 0 = as many as the process may use of
 * the machine by its affinity mask and its control groups' CPU quotas, asked once. Made on first use; one parallel
 * loop at a time. It lives until the runtime is closed and all ops of that runtime are freed; ops of another runtime
 * do not keep it. Where the system refuses threads the pool has fewer: read its num_workers; a warning is logged. NULL
 * on failure. */
ATTNRT_EXPORT const attnrt_executor* attnrt_default_executor(attnrt_runtime* runtime, uint32_t num_workers);

/* ---- selection -------------------------------------------------------------------------------------------- */

/* Fills a problem with defaults for a device: a causal decoder on a paged cache, mixed phase, bf16, 32 query and 8 KV
 * heads of 128, no limit on layout or block size, exact host lengths provided. head_size_v is 0, which follows
 * head_size_qk (the latent of MLA follows kv_lora). `device` is "cpu", "cpu:avx2", "cuda:0"
 * (that real device), "cuda:9.0" or "rocm:gfx942" (hardware that need not be here); NULL = this machine's first CUDA
 * device, else ROCm, else its CPU. */
ATTNRT_EXPORT attnrt_status attnrt_problem_init(attnrt_runtime* runtime, const char* device, attnrt_problem* problem);

/* Chooses a backend. Bits in problem.features that follow from other fields (window, softcap, causal, ...) are
 * added; kv_layouts 0 means any, block_size 0 not fixed. The attention types encoder and encoder_only are never
 * causal. MLA with phase mixed chooses decode and prefill together; phase PREFILL | DECODE does so for a standard
 * problem, with one cache that both use, or an error that says why there is none. UNSUPPORTED: nothing valid;
 * *choice is then a choice without a winner that can be explained. INVALID: a broken problem or override, *choice is
 * NULL. */
ATTNRT_EXPORT attnrt_status attnrt_select(attnrt_runtime* runtime, const attnrt_problem* problem,
                                          attnrt_choice** choice);
/* Ops that were made of it live on. Freeing NULL does nothing. */
ATTNRT_EXPORT void attnrt_choice_free(attnrt_choice* choice);

/* "CPU_ATTN", "portable"; "NO_ATTENTION" and "" where there is nothing to run; NULL without a winner. Owned by the
 * choice. */
ATTNRT_EXPORT const char* attnrt_choice_backend(const attnrt_choice* choice);
ATTNRT_EXPORT const char* attnrt_choice_variant(const attnrt_choice* choice);
/* 1: the backend that somebody asked for (by a force, an argument or VLLM_ATTENTION_BACKEND) was chosen, or nobody
 * asked for one. 0: it was not chosen, and the sentence names the override and the reason ("VLLM_ATTENTION_BACKEND=X
 * cannot be honoured: ..."); with 1 it is "". Owned by the choice. Each half of a pair answers for itself. */
ATTNRT_EXPORT int32_t attnrt_choice_honoured(const attnrt_choice* choice);
ATTNRT_EXPORT const char* attnrt_choice_unhonoured(const attnrt_choice* choice);
/* The problem with everything settled: one KV layout, the kernel's block size. */
ATTNRT_EXPORT const attnrt_problem* attnrt_choice_problem(const attnrt_choice* choice);
/* The prefill half where both phases were asked for, else NULL. Owned by the choice. */
ATTNRT_EXPORT const attnrt_choice* attnrt_choice_prefill(const attnrt_choice* choice);
/* Why: a table for people (80 columns), and the same as JSON. Built on first use, owned by the choice. The table names
 * backends that serve other families or types of device alone in one line; explain_all gives them rows with every
 * reason, too. */
ATTNRT_EXPORT const char* attnrt_choice_explain(const attnrt_choice* choice);
ATTNRT_EXPORT const char* attnrt_choice_explain_all(const attnrt_choice* choice);
ATTNRT_EXPORT const char* attnrt_choice_json(const attnrt_choice* choice);

/* ---- flex: a mask and a score that a user writes ------------------------------------------------------------- */

struct attnrt_flex_program; /* of plugin.h, since ABI 1.1 */

/* Reads a program in the language of docs/flex.md, or in its canonical form. `name` stands before line and column in
 * errors, NULL: "flex". `buffers`: `num_buffers` declarations beside those of the text, "doc=i32[num_tokens]"; NULL for
 * none. INVALID: not a program; the sentence names line, column, what was seen and what was wanted. */
ATTNRT_EXPORT attnrt_status attnrt_flex_parse(const char* text, const char* name, const char* const* buffers,
                                              uint32_t num_buffers, attnrt_flex** program);
/* Problems that name it must have been selected and their ops created. Freeing NULL does nothing. */
ATTNRT_EXPORT void attnrt_flex_free(attnrt_flex* program);
/* For problem.flex, which is read where problem.features has ATTNRT_FEATURE_FLEX. Owned by the program; NULL for NULL. */
ATTNRT_EXPORT const struct attnrt_flex_program* attnrt_flex_bytes(const attnrt_flex* program);
/* The name of buffer `index`, in the order in which tensors are given; NULL past the last one. Owned by the program. */
ATTNRT_EXPORT const char* attnrt_flex_buffer(const attnrt_flex* program, uint32_t index);
/* The program as text that attnrt_flex_parse reads; `simplified` is not 0: as kernels run it. */
ATTNRT_EXPORT attnrt_status attnrt_flex_print(const attnrt_flex* program, int32_t simplified, attnrt_text** text);

/* ---- op: once a layer shape -------------------------------------------------------------------------------- */

/* Creates the winner of a choice on the problem's device. May take long (modules, JIT, tuning). The op needs neither
 * the choice nor the runtime afterwards. INVALID: a choice without a winner. UNSUPPORTED and UNAVAILABLE: another
 * backend may be forced and selected. */
ATTNRT_EXPORT attnrt_status attnrt_op_create(attnrt_runtime* runtime, const attnrt_choice* choice, attnrt_op** op);
/* [one thread per op] Plans must be freed first. */
ATTNRT_EXPORT void attnrt_op_free(attnrt_op* op);
/* The problem that the op was created for: one KV layout, the kernel's block size. Owned by the op; NULL for NULL. */
ATTNRT_EXPORT const attnrt_problem* attnrt_op_problem(const attnrt_op* op);
/* How one layer's cache lies in memory: bytes of a block, alignment, strides. INVALID where the op has no cache. */
ATTNRT_EXPORT attnrt_status attnrt_op_kv_layout(const attnrt_op* op, attnrt_kv_layout* layout);
/* The bytes and alignments that a plan with these limits needs. INVALID: limits that are negative or out of range. */
ATTNRT_EXPORT attnrt_status attnrt_op_workspace(const attnrt_op* op, const attnrt_limits* limits,
                                                attnrt_workspace* sizes);

/* ---- plan: one a batch in flight ---------------------------------------------------------------------------- */

/* `stream` of these calls: on the CPU an attnrt_executor, NULL = the calling thread, and the call has finished when it
 * returns; on a device its stream, where the call is enqueued. */

/* A plan for batches within `limits`, which are copied. `memory` is as large and aligned as `workspace` told and
 * stays the plan's until it is freed; NULL on the CPU: the runtime allocates it. The op must outlive the plan.
 * INVALID: limits or memory at odds with that, NO_MEMORY. */
ATTNRT_EXPORT attnrt_status attnrt_plan_create(const attnrt_op* op, const attnrt_limits* limits,
                                               const attnrt_memory* memory, attnrt_plan** plan);
/* [one thread per plan] No run of the plan is in flight. */
ATTNRT_EXPORT void attnrt_plan_free(attnrt_plan* plan);
/* [one thread per plan] Each step. INVALID leaves the plan without a batch. The struct is copied; the arrays that it
 * points to, device and host copies alike, are read by this call and by every run up to the next update, so they must
 * live and stay unchanged until the last of these runs has finished (on a device: until the stream has). */
ATTNRT_EXPORT attnrt_status attnrt_plan_update(attnrt_plan* plan, const attnrt_batch* batch, attnrt_stream stream);
/* [one thread per plan] Each layer. INVALID: no update that succeeded, or operands at odds with the problem. The
 * structs of the call need not outlive it; what their tensors point to must hold until the stream has finished. */
ATTNRT_EXPORT attnrt_status attnrt_run(const attnrt_plan* plan, const attnrt_run_args* args, attnrt_stream stream);

/* Each layer, before run: new keys and values go to their slots of the cache. Two writes to one slot at once are the
 * caller's to order. INVALID: operands at odds with the problem, or (CPU) a slot outside the cache; nothing is
 * written. */
ATTNRT_EXPORT attnrt_status attnrt_write_kv(const attnrt_op* op, const attnrt_write_args* args, attnrt_stream stream);
/* Reads rows of the cache out, for chunked MLA prefill and export. INVALID as for write_kv; UNSUPPORTED where the
 * kernel has no such entry. */
ATTNRT_EXPORT attnrt_status attnrt_gather_kv(const attnrt_op* op, const attnrt_gather_args* args, attnrt_stream stream);
/* Merges partial results over disjoint keys. INVALID as for write_kv; UNSUPPORTED where the kernel has no such entry or
 * merges fewer at once. */
ATTNRT_EXPORT attnrt_status attnrt_merge_states(const attnrt_op* op, const attnrt_merge_args* args,
                                                attnrt_stream stream);

#ifdef __cplusplus
}
#endif
#endif
