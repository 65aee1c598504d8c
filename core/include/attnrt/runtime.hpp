// SPDX-License-Identifier: Apache-2.0
//
// attnrt/runtime.hpp: the C API of attnrt.h as C++ objects. Header-only, C++17. Every failure is thrown as
// attnrt::Error in the engine's own code; nothing is thrown across the library's boundary.
//
//   Runtime -> Problem -> Choice -> Op (once a layer shape) -> KvCache (one a layer), Plan and Batch (one a step in
//   flight) -> each step: Batch::add, Plan::update -> each layer: Op::write, Plan::run
#ifndef ATTNRT_RUNTIME_HPP
#define ATTNRT_RUNTIME_HPP
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "attnrt/args.hpp"
#include "attnrt/attnrt.h"
#include "attnrt/batch.hpp"
#include "attnrt/error.hpp"
#include "attnrt/kv_cache.hpp"
#include "attnrt/limits.hpp"
#include "attnrt/problem.hpp"
#include "attnrt/tensor.hpp"

namespace attnrt {

namespace detail {
struct Free {
  void operator()(attnrt_runtime* p) const noexcept { attnrt_close(p); }
  void operator()(attnrt_plan* p) const noexcept { attnrt_plan_free(p); }
  void operator()(attnrt_text* p) const noexcept { attnrt_text_free(p); }
};
template <class T>
using Handle = std::unique_ptr<T, Free>;
}  // namespace detail

/// attnrt_options with strings and a callable. An empty string asks the environment, then the default holds.
struct Options {
  std::string plugin_path;                                   ///< colon list of absolute folders or files
  std::string priority_file;                                 ///< a priority table of the engine's own
  std::string attention_backend;                             ///< "CPU_ATTN", "FLASH_ATTN/FA2": an explicit choice
  std::string attention_config;                              ///< a JSON object, {"backend": "..."}
  std::optional<std::string> cache_folder;                   ///< where verdicts are remembered, "" = nowhere
  uint32_t probe = ATTNRT_PROBE_AUTO;                        ///< ATTNRT_PROBE_*
  bool read_environment = true;                              ///< false: no variable is read, ever
  bool trust_any = false;                                    ///< true: plugins are loaded whatever their owner and mode
  std::function<void(int32_t level, const char* text)> log;  ///< ATTNRT_LOG_*, from any thread; what it throws is lost
};

/// The result of a selection; immutable, copies share it. A choice without a winner is empty:
/// `if (!choice) puts(choice.explain());` [thread-safe]
class Choice {
 public:
  explicit Choice(attnrt_choice* choice) : choice_(choice, attnrt_choice_free) {}
  explicit operator bool() const noexcept { return attnrt_choice_backend(get()) != nullptr; }
  /// "CPU_ATTN"; "" without a winner.
  std::string backend() const { return text(attnrt_choice_backend(get())); }
  std::string variant() const { return text(attnrt_choice_variant(get())); }
  /// With everything settled: one KV layout, the kernel's block size. Throws INVALID where the choice is that of a
  /// missing prefill half.
  const attnrt_problem& problem() const {
    if (const attnrt_problem* p = attnrt_choice_problem(get())) return *p;
    throw Error(ATTNRT_INVALID, "choice: there is no prefill half, wanted a problem with both phases");
  }
  /// The prefill half where both phases were asked for (MLA with phase mixed, PREFILL | DECODE): Runtime::op takes it
  /// like any choice. Else an empty one. It keeps what it needs of this choice alive.
  Choice prefill() const { return Choice({choice_, attnrt_choice_prefill(get())}); }
  /// Why: a table for people, and the same as JSON. Owned by the choice.
  const char* explain() const noexcept { return attnrt_choice_explain(get()); }
  const char* json() const noexcept { return attnrt_choice_json(get()); }
  const attnrt_choice* get() const noexcept { return choice_.get(); }

 private:
  explicit Choice(std::shared_ptr<const attnrt_choice> choice) : choice_(std::move(choice)) {}
  static std::string text(const char* s) { return s ? s : ""; }
  std::shared_ptr<const attnrt_choice> choice_;
};

/// Persistent state of one batch in flight; see attnrt_plan. It keeps its op alive. [one thread per plan]
class Plan {
 public:
  /// `usual_scale`: of runs that name none. `op` is kept until the plan is gone.
  explicit Plan(attnrt_plan* plan, float usual_scale = 0, std::shared_ptr<const attnrt_op> op = nullptr)
      : op_(std::move(op)), plan_(plan), usual_scale_(usual_scale) {}

  /// Each step. The batch's arrays stay alive and unchanged until the last run of the step has finished; an
  /// attnrt_batch itself is copied.
  void update(const Batch& batch, attnrt_stream stream = nullptr) { update(batch.view(), stream); }
  void update(Batch&& batch, attnrt_stream stream = nullptr) = delete;
  void update(const attnrt_batch& batch, attnrt_stream stream = nullptr) {
    check(attnrt_plan_update(plan_.get(), &batch, stream));
  }

  /// Each layer, over its cache: q [T, Hq, Dqk], out [T, Hq, Dv] (written).
  void run(const Tensor& q, const KvCache& cache, const Tensor& out, attnrt_stream stream = nullptr) const {
    run(RunArgs(q, cache, out), stream);
  }
  /// Each layer, without a cache: k [S, Hkv, Dqk], v [S, Hkv, Dv].
  void run(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out, attnrt_stream stream = nullptr) const {
    run(RunArgs(q, k, v, out), stream);
  }
  /// Each layer, with any operands.
  void run(const RunArgs& args, attnrt_stream stream = nullptr) const { run(args.view(usual_scale_), stream); }
  void run(const attnrt_run_args& args, attnrt_stream stream = nullptr) const {
    check(attnrt_run(plan_.get(), &args, stream));
  }

 private:
  std::shared_ptr<const attnrt_op> op_;  // outlives the plan: declared first
  detail::Handle<attnrt_plan> plan_;
  float usual_scale_;
};

/// A variant created for one layer shape; see attnrt_op. Copies share it, plans keep it. [thread-safe]
class Op {
 public:
  /// `keep` lives as long as the op: the log callback that a kernel may still call.
  explicit Op(attnrt_op* op, std::shared_ptr<const void> keep = nullptr)
      : op_(op, [keep = std::move(keep)](attnrt_op* p) { attnrt_op_free(p); }) {}
  /// The problem that it was created for. Throws INVALID for an op that was moved away.
  const attnrt_problem& problem() const {
    if (const attnrt_problem* p = attnrt_op_problem(op_.get())) return *p;
    throw Error(ATTNRT_INVALID, "op: it was moved away, wanted the op that holds the kernel");
  }
  /// Throws INVALID where the op has no cache.
  attnrt_kv_layout kv_layout() const {
    auto layout = sized<attnrt_kv_layout>();
    check(attnrt_op_kv_layout(op_.get(), &layout));
    return layout;
  }
  /// A cache of `num_blocks` blocks for one layer, in host memory. Throws as kv_layout and KvCache do.
  KvCache make_cache(int64_t num_blocks) const { return KvCache(problem(), kv_layout(), num_blocks); }
  /// A batch for plans of this op with these limits.
  Batch make_batch(const attnrt_limits& limits) const { return Batch(problem(), limits); }
  /// The memory that a plan with these limits needs. Throws INVALID for limits out of range.
  attnrt_workspace workspace(const attnrt_limits& limits) const {
    auto sizes = sized<attnrt_workspace>();
    check(attnrt_op_workspace(op_.get(), &limits, &sizes));
    return sizes;
  }
  /// A plan for batches within the limits. memory NULL: the runtime allocates it (CPU).
  Plan plan(const attnrt_limits& limits, const attnrt_memory* memory = nullptr) const {
    attnrt_plan* plan = nullptr;
    check(attnrt_plan_create(op_.get(), &limits, memory, &plan));
    return Plan(plan, usual_scale(problem()), op_);
  }
  /// Each layer, before run: new keys k [N, Hkv, Dqk] and values v [N, Hkv, Dv] go to their slots (int64 [N], see
  /// Batch::slots). MLA: k the latent [N, 1, kv_lora], v the rope part [N, 1, rope].
  void write(const Tensor& k, const Tensor& v, const Tensor& slots, KvCache& cache,
             attnrt_stream stream = nullptr) const {
    write(WriteArgs(k, v, slots, cache), stream);
  }
  void write(const WriteArgs& args, attnrt_stream stream = nullptr) const { write_kv(args.view(), stream); }
  /// The calls with C structs.
  void write_kv(const attnrt_write_args& args, attnrt_stream stream = nullptr) const {
    check(attnrt_write_kv(op_.get(), &args, stream));
  }
  /// Reads the cache out, for chunked MLA prefill and export. Throws UNSUPPORTED where the kernel has no such entry.
  void gather(const GatherArgs& args, attnrt_stream stream = nullptr) const { gather_kv(args.view(), stream); }
  void gather_kv(const attnrt_gather_args& args, attnrt_stream stream = nullptr) const {
    check(attnrt_gather_kv(op_.get(), &args, stream));
  }
  /// Merges partial results over disjoint keys, in order, into out [T, Hq, Dv] and, where it is given, lse [T, Hq].
  /// Throws UNSUPPORTED where the kernel has no such entry or merges fewer at once.
  void merge(const std::vector<Partial>& partials, const Tensor& out, const Tensor& lse = {},
             attnrt_stream stream = nullptr) const {
    std::vector<const attnrt_tensor*> outs, lses;
    for (const Partial& partial : partials) outs.push_back(partial.out.get()), lses.push_back(partial.lse.get());
    auto args = sized<attnrt_merge_args>();
    args.num_partials = static_cast<int32_t>(partials.size());
    args.outs = outs.data();
    args.lses = lses.data();
    args.out = detail::written("out", out);
    args.lse = detail::written("lse", lse);
    args.num_tokens = args.num_merged_tokens = out.size(0);
    merge_states(args, stream);
  }
  void merge_states(const attnrt_merge_args& args, attnrt_stream stream = nullptr) const {
    check(attnrt_merge_states(op_.get(), &args, stream));
  }

 private:
  std::shared_ptr<attnrt_op> op_;
};

/// Plugins, priority table and overrides of one engine; see attnrt_runtime. Choices, ops and plans may outlive it.
/// [thread-safe]
class Runtime {
 public:
  /// Scans the plugin folders and reads the priority table. Throws INVALID for broken options or a broken table.
  explicit Runtime(Options options = {}) : log_(std::make_shared<Log>(std::move(options.log))) {
    const auto text = [](const std::string& s) { return s.empty() ? nullptr : s.c_str(); };
    auto o = sized<attnrt_options>();
    o.flags = (options.read_environment ? 0 : ATTNRT_OPTION_IGNORE_ENVIRONMENT) |
              (options.trust_any ? ATTNRT_OPTION_TRUST_ANY : 0);
    o.plugin_path = text(options.plugin_path);
    o.priority_file = text(options.priority_file);
    o.attention_backend = text(options.attention_backend);
    o.attention_config = text(options.attention_config);
    o.cache_folder = options.cache_folder ? options.cache_folder->c_str() : nullptr;
    o.probe = options.probe;
    if (*log_) {
      o.log_self = log_.get();
      o.log = [](void* self, int32_t level, const char* line) noexcept {
        try {
          (*static_cast<Log*>(self))(level, line);
        } catch (...) {  // a line is lost; nothing may pass through the library
        }
      };
    }
    attnrt_runtime* runtime = nullptr;
    check(attnrt_open(&o, &runtime));
    runtime_.reset(runtime);
  }

  /// Defaults for a device; see attnrt_problem_init.
  attnrt_problem problem(const char* device = nullptr) const {
    auto p = sized<attnrt_problem>();
    check(attnrt_problem_init(runtime_.get(), device, &p));
    return p;
  }
  /// A causal decoder over a paged cache, prefill and decode in one batch: q, cache and output in `dtype`
  /// (ATTNRT_BF16 ...). `device` as in attnrt_problem_init.
  Problem decoder(uint32_t num_heads, uint32_t num_kv_heads, uint32_t head_size, uint32_t dtype,
                  const char* device = nullptr) const {
    Problem p(problem(device));
    p.q_dtype = p.kv_dtype = p.out_dtype = dtype;
    p.num_heads = num_heads;
    p.num_kv_heads = num_kv_heads;
    p.head_size_qk = p.head_size_v = head_size;
    return p;
  }
  /// A model like BERT: every token sees all tokens of its request, keys and values are given to run without a cache.
  Problem encoder(uint32_t num_heads, uint32_t num_kv_heads, uint32_t head_size, uint32_t dtype,
                  const char* device = nullptr) const {
    Problem p = decoder(num_heads, num_kv_heads, head_size, dtype, device);
    p.attn_type = ATTNRT_ATTN_ENCODER_ONLY;
    p.phase = ATTNRT_PHASE_PREFILL;
    p.causal = ATTNRT_CAUSAL_NEVER;
    p.kv_layouts = ATTNRT_KV_CONTIGUOUS;
    return p;
  }
  /// Multi-head latent attention over a cache of latents. The choice is a pair: itself for decode, prefill() for the
  /// uncompressed half.
  Problem mla(uint32_t num_heads, uint32_t dtype, const char* device = nullptr, const MlaSizes& sizes = {}) const {
    Problem p = decoder(num_heads, 1, sizes.kv_lora + sizes.rope, dtype, device);
    p.family = ATTNRT_FAMILY_MLA;
    p.head_size_v = p.mla_kv_lora = sizes.kv_lora;
    p.mla_nope = sizes.nope;
    p.mla_rope = sizes.rope;
    p.mla_v = sizes.v;
    return p;
  }
  /// Throws on a broken problem or override; returns a choice without a winner where nothing is valid.
  Choice try_select(const attnrt_problem& problem) const {
    attnrt_choice* choice = nullptr;
    const attnrt_status status = attnrt_select(runtime_.get(), &problem, &choice);
    if (!choice) check(status);
    return Choice(choice);
  }
  /// Throws where nothing is valid, too.
  Choice select(const attnrt_problem& problem) const {
    attnrt_choice* choice = nullptr;
    const attnrt_status status = attnrt_select(runtime_.get(), &problem, &choice);
    Choice result(choice);
    check(status);
    return result;
  }
  /// Creates the winner of a choice; may take long. Throws INVALID where there is no winner, UNSUPPORTED and
  /// UNAVAILABLE where another backend may be forced and selected.
  Op op(const Choice& choice) const { return op(choice.get()); }
  Op op(const attnrt_choice* choice) const {
    attnrt_op* op = nullptr;
    check(attnrt_op_create(runtime_.get(), choice, &op));
    return Op(op, log_);
  }
  /// Forgets that a plugin (by name or file name) crashed or hung when it was probed, and rescans.
  void forgive(const std::string& plugin) { check(attnrt_forgive(runtime_.get(), plugin.c_str())); }
  /// Notes in the local ledger that a variant passed the conformance kit on a kind of device, or did not.
  void record(const std::string& backend, const std::string& variant, const std::string& device,
              const std::string& result, bool passed) {
    check(attnrt_record(runtime_.get(), backend.c_str(), variant.c_str(), device.c_str(), result.c_str(), passed));
  }
  /// Looks at the plugin folders again; selections and ops of other threads go on undisturbed.
  void rescan() { check(attnrt_rescan(runtime_.get())); }
  /// Forces a backend for all threads; "" returns to automatic. Throws INVALID for an unknown name, UNSUPPORTED for a
  /// known one that is not installed.
  void force_backend(const std::string& name) { check(attnrt_force_backend(runtime_.get(), name.c_str())); }
  /// A pool to pass as stream; 0 = one worker for each CPU of the process.
  const attnrt_executor* executor(uint32_t num_workers = 0) const {
    const attnrt_executor* pool = attnrt_default_executor(runtime_.get(), num_workers);
    if (!pool) throw Error(ATTNRT_FAILED, attnrt_last_error());
    return pool;
  }
  /// JSON documents: the files of the plugin folders; paths, environment and devices and what is wrong with them; the
  /// priority table in force; one backend's capability sheet.
  std::string list() const { return text(&attnrt_list); }
  std::string doctor() const { return text(&attnrt_doctor); }
  std::string priority() const { return text(&attnrt_priority); }
  std::string show(const std::string& backend) const {
    attnrt_text* json = nullptr;
    check(attnrt_show(runtime_.get(), backend.c_str(), &json));
    return take(json);
  }
  attnrt_runtime* get() const noexcept { return runtime_.get(); }

 private:
  using Log = std::function<void(int32_t, const char*)>;
  static std::string take(attnrt_text* json) {
    detail::Handle<attnrt_text> owned(json);
    return attnrt_text_data(json);
  }
  std::string text(attnrt_status (*call)(attnrt_runtime*, attnrt_text**)) const {
    attnrt_text* json = nullptr;
    check(call(runtime_.get(), &json));
    return take(json);
  }
  std::shared_ptr<Log> log_;  // outlives the runtime: declared first
  detail::Handle<attnrt_runtime> runtime_;
};

/// Forces a backend on this thread while it lives; restores what was forced before, also when left by an exception.
class ForceBackend {
 public:
  ForceBackend(Runtime& runtime, const std::string& name) : runtime_(runtime.get()) {
    check(attnrt_push_force(runtime_, name.c_str()));
  }
  ~ForceBackend() { attnrt_pop_force(runtime_); }
  ForceBackend(const ForceBackend&) = delete;
  ForceBackend& operator=(const ForceBackend&) = delete;

 private:
  attnrt_runtime* runtime_;
};

}  // namespace attnrt
#endif
