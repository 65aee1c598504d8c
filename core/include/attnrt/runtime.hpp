// SPDX-License-Identifier: Apache-2.0
//
// attnrt/runtime.hpp: the C API of attnrt.h as C++ objects. Header-only, C++17. Every failure is thrown as
// attnrt::Error in the engine's own code; nothing is thrown across the library's boundary.
#ifndef ATTNRT_RUNTIME_HPP
#define ATTNRT_RUNTIME_HPP
#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "attnrt/attnrt.h"

namespace attnrt {

/// A failed call: its status and sentence.
class Error : public std::runtime_error {
 public:
  Error(attnrt_status status, const std::string& text) : std::runtime_error(text), status_(status) {}
  attnrt_status status() const noexcept { return status_; }

 private:
  attnrt_status status_;
};

inline void check(attnrt_status status) {
  if (status != ATTNRT_OK) throw Error(status, attnrt_last_error());
}

/// A struct of the API with struct_size set and all else 0.
template <class T>
T sized() {
  T value{};
  value.struct_size = sizeof(T);
  return value;
}

/// A DLPack dtype for each C++ element type that has one; others use the explicit constructor of Tensor.
template <class T>
struct DtypeOf;
template <>
struct DtypeOf<float> { static constexpr attnrt_dtype value{2, 32, 1}; };
template <>
struct DtypeOf<int64_t> { static constexpr attnrt_dtype value{0, 64, 1}; };
template <>
struct DtypeOf<int32_t> { static constexpr attnrt_dtype value{0, 32, 1}; };

/// A view on host memory with its own shape and strides. Cheap to copy; does not own the data.
class Tensor {
 public:
  Tensor() = default;
  /// Strides empty: row-major and dense.
  Tensor(const void* data, attnrt_dtype dtype, std::initializer_list<int64_t> shape,
         std::initializer_list<int64_t> strides = {}) {
    if (shape.size() > 8 || (strides.size() && strides.size() != shape.size()))
      throw Error(ATTNRT_INVALID, "a tensor has at most 8 dimensions and a stride for each");
    std::copy(shape.begin(), shape.end(), shape_.begin());
    int64_t step = 1;
    for (std::size_t i = shape.size(); i-- > 0; step *= shape_[i]) strides_[i] = step;
    std::copy(strides.begin(), strides.end(), strides_.begin());
    tensor_.data = const_cast<void*>(data);
    tensor_.device = {ATTNRT_DEVICE_CPU, 0};
    tensor_.ndim = static_cast<int32_t>(shape.size());
    tensor_.dtype = dtype;
  }
  template <class T>
  Tensor(T* data, std::initializer_list<int64_t> shape)
      : Tensor(static_cast<const void*>(data), DtypeOf<std::remove_const_t<T>>::value, shape) {}

  /// The ABI's form; valid while this object stays where it is.
  const attnrt_tensor* get() const noexcept {
    tensor_.shape = const_cast<int64_t*>(shape_.data());
    tensor_.strides = const_cast<int64_t*>(strides_.data());
    return &tensor_;
  }

 private:
  std::array<int64_t, 8> shape_{}, strides_{};
  mutable attnrt_tensor tensor_{};
};

namespace detail {
struct Free {
  void operator()(attnrt_runtime* p) const noexcept { attnrt_close(p); }
  void operator()(attnrt_choice* p) const noexcept { attnrt_choice_free(p); }
  void operator()(attnrt_op* p) const noexcept { attnrt_op_free(p); }
  void operator()(attnrt_plan* p) const noexcept { attnrt_plan_free(p); }
  void operator()(attnrt_text* p) const noexcept { attnrt_text_free(p); }
};
template <class T>
using Handle = std::unique_ptr<T, Free>;
}  // namespace detail

/// attnrt_options with strings and a callable.
struct Options {
  std::string plugin_path, priority_file, attention_backend, attention_config;
  std::optional<std::string> cache_folder;  ///< "" = nothing is remembered
  uint32_t probe = ATTNRT_PROBE_AUTO;
  bool read_environment = true;
  bool trust_any = false;
  std::function<void(int32_t level, const char* text)> log;
};

/// The result of a selection. A choice without a winner is empty: `if (!choice) puts(choice.explain());`
class Choice {
 public:
  explicit Choice(attnrt_choice* choice) : choice_(choice) {}
  explicit operator bool() const noexcept { return attnrt_choice_backend(choice_.get()) != nullptr; }
  std::string backend() const { return text(attnrt_choice_backend(choice_.get())); }
  std::string variant() const { return text(attnrt_choice_variant(choice_.get())); }
  const attnrt_problem& problem() const noexcept { return *attnrt_choice_problem(choice_.get()); }
  const char* explain() const noexcept { return attnrt_choice_explain(choice_.get()); }
  const char* json() const noexcept { return attnrt_choice_json(choice_.get()); }
  const attnrt_choice* get() const noexcept { return choice_.get(); }

 private:
  static std::string text(const char* s) { return s ? s : ""; }
  detail::Handle<attnrt_choice> choice_;
};

/// One batch in flight; see attnrt_plan. Must not outlive its Op.
class Plan {
 public:
  explicit Plan(attnrt_plan* plan) : plan_(plan) {}
  void update(const attnrt_batch& batch, attnrt_stream stream = nullptr) {
    check(attnrt_plan_update(plan_.get(), &batch, stream));
  }
  void run(const attnrt_run_args& args, attnrt_stream stream = nullptr) {
    check(attnrt_run(plan_.get(), &args, stream));
  }

 private:
  detail::Handle<attnrt_plan> plan_;
};

/// A variant created for one layer shape; see attnrt_op.
class Op {
 public:
  /// `keep` lives as long as the op: the log callback that a kernel may still call.
  explicit Op(attnrt_op* op, std::shared_ptr<const void> keep = nullptr) : keep_(std::move(keep)), op_(op) {}
  attnrt_kv_layout kv_layout() const {
    auto layout = sized<attnrt_kv_layout>();
    check(attnrt_op_kv_layout(op_.get(), &layout));
    return layout;
  }
  attnrt_workspace workspace(const attnrt_limits& limits) const {
    auto sizes = sized<attnrt_workspace>();
    check(attnrt_op_workspace(op_.get(), &limits, &sizes));
    return sizes;
  }
  /// memory NULL: the runtime allocates it (CPU).
  Plan plan(const attnrt_limits& limits, const attnrt_memory* memory = nullptr) const {
    attnrt_plan* plan = nullptr;
    check(attnrt_plan_create(op_.get(), &limits, memory, &plan));
    return Plan(plan);
  }
  void write_kv(const attnrt_write_args& args, attnrt_stream stream = nullptr) const {
    check(attnrt_write_kv(op_.get(), &args, stream));
  }
  void gather_kv(const attnrt_gather_args& args, attnrt_stream stream = nullptr) const {
    check(attnrt_gather_kv(op_.get(), &args, stream));
  }
  void merge_states(const attnrt_merge_args& args, attnrt_stream stream = nullptr) const {
    check(attnrt_merge_states(op_.get(), &args, stream));
  }

 private:
  std::shared_ptr<const void> keep_;
  detail::Handle<attnrt_op> op_;
};

/// Plugins, priority table and overrides of one engine; see attnrt_runtime.
class Runtime {
 public:
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
      o.log = [](void* self, int32_t level, const char* line) noexcept { (*static_cast<Log*>(self))(level, line); };
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
  Op op(const Choice& choice) const { return op(choice.get()); }
  Op op(const attnrt_choice* choice) const {
    attnrt_op* op = nullptr;
    check(attnrt_op_create(runtime_.get(), choice, &op));
    return Op(op, log_);
  }
  void forgive(const std::string& plugin) { check(attnrt_forgive(runtime_.get(), plugin.c_str())); }
  /// Notes in the local ledger that a variant passed the conformance kit on a kind of device, or did not.
  void record(const std::string& backend, const std::string& variant, const std::string& device,
              const std::string& result, bool passed) {
    check(attnrt_record(runtime_.get(), backend.c_str(), variant.c_str(), device.c_str(), result.c_str(), passed));
  }
  void rescan() { check(attnrt_rescan(runtime_.get())); }
  /// "" returns to automatic.
  void force_backend(const std::string& name) { check(attnrt_force_backend(runtime_.get(), name.c_str())); }
  /// A pool to pass as stream; 0 = one worker for each CPU of the process.
  const attnrt_executor* executor(uint32_t num_workers = 0) const {
    const attnrt_executor* pool = attnrt_default_executor(runtime_.get(), num_workers);
    if (!pool) throw Error(ATTNRT_FAILED, attnrt_last_error());
    return pool;
  }
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
