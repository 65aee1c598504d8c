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

#include "attnrt/attnrt.h"
#include "attnrt/error.hpp"
#include "attnrt/flex.hpp"
#include "attnrt/handle.hpp"
#include "attnrt/op.hpp"
#include "attnrt/problem.hpp"

namespace attnrt {

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
  bool pinned_only = false;                                  ///< true: only plugins that attention_config pins
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
  /// Was the backend chosen that somebody asked for, or did nobody ask? unhonoured() says why it was not.
  bool honoured() const noexcept { return attnrt_choice_honoured(get()) != 0; }
  std::string unhonoured() const { return text(attnrt_choice_unhonoured(get())); }
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
  /// explain() with a row for every backend, those of other families and devices too.
  const char* explain_all() const noexcept { return attnrt_choice_explain_all(get()); }
  const char* json() const noexcept { return attnrt_choice_json(get()); }
  const attnrt_choice* get() const noexcept { return choice_.get(); }

 private:
  explicit Choice(std::shared_ptr<const attnrt_choice> choice) : choice_(std::move(choice)) {}
  static std::string text(const char* s) { return s ? s : ""; }
  std::shared_ptr<const attnrt_choice> choice_;
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
              (options.trust_any ? ATTNRT_OPTION_TRUST_ANY : 0) | (options.pinned_only ? ATTNRT_OPTION_PINNED_ONLY : 0);
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
  /// Keeps what was measured on this machine's CPU and ranks variants by it; see attnrt_record_timings.
  void record(const std::vector<attnrt_timing>& timings) {
    check(attnrt_record_timings(runtime_.get(), timings.data(), static_cast<uint32_t>(timings.size())));
  }
  /// Looks at the plugin folders again; selections and ops of other threads go on undisturbed.
  void rescan() { check(attnrt_rescan(runtime_.get())); }
  /// Forces a backend for all threads; "" returns to automatic. Throws INVALID for an unknown name, UNSUPPORTED for a
  /// known one that is not installed.
  void force_backend(const std::string& name) { check(attnrt_force_backend(runtime_.get(), name.c_str())); }
  /// A pool to pass as stream; 0 = a worker for each CPU that the process may use. It lives as long as this runtime or
  /// an op of it; it may have fewer workers than asked for. See attnrt_default_executor.
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
