// SPDX-License-Identifier: Apache-2.0
//
// attnrt/plugin.hpp: turns a C++ class into an attnrt_variant. Header-only, C++17, needs the SDK's headers alone.
//
// A kernel class has, with `S` = attnrt_stream:
//
//   explicit Kernel(const attnrt::sdk::CreateInfo&);                       may be slow: load, JIT, tune
//   attnrt_workspace workspace(const attnrt_limits&) const;
//   struct Plan { Plan(const Kernel&, const attnrt_limits&, const attnrt_memory&);
//                 void update(const attnrt_batch&, S); };
//   void run(const Plan&, const attnrt_run_args&, S) const;
//
// and, where it can:
//
//   static void supports(const attnrt_problem&, const attnrt::sdk::Diag&);  adds a reason for each refusal
//   static attnrt_kv_layout kv_layout(const attnrt_problem&);
//   void write_kv(const attnrt_write_args&, S) const;
//   void gather_kv(const attnrt_gather_args&, S) const;
//   void merge_states(const attnrt_merge_args&, S) const;
//
// All of them may throw: attnrt::sdk::Error becomes its status and text, std::bad_alloc NO_MEMORY, anything else
// FAILED. Arguments have passed check.hpp before they reach the class, so a kernel need not validate shapes, dtypes or
// lengths.
#ifndef ATTNRT_PLUGIN_HPP
#define ATTNRT_PLUGIN_HPP
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "attnrt/check.hpp"
#include "attnrt/plugin.h"

namespace attnrt::sdk {

/// What `create` was given. The host outlives the kernel; problem is a copy.
struct CreateInfo {
  const attnrt_variant& variant;
  const attnrt_host& host;
  const attnrt_problem& problem;
  attnrt_device device;
};

/// An error that crosses the ABI as a status and one sentence.
class Error : public std::exception {
 public:
  Error(attnrt_status status, std::string text) : status_(status), text_(std::move(text)) {}
  attnrt_status status() const noexcept { return status_; }
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  attnrt_status status_;
  std::string text_;
};

/// The CPU's stream as a parallel loop. [thread-safe where the engine's pool is]
class Executor {
 public:
  explicit Executor(attnrt_stream stream) noexcept : executor_(static_cast<const attnrt_executor*>(stream)) {}

  /// Workers that may call the body at once; 1 on the calling thread alone.
  uint32_t num_workers() const noexcept { return executor_ && executor_->num_workers ? executor_->num_workers : 1; }

  /// Runs body(begin, end, worker) over [0, n) in pieces of at most `grain`, in one where there is one worker. The body
  /// must not throw.
  template <class Body>
  void parallel_for(int64_t n, int64_t grain, Body&& body) const {
    static_assert(noexcept(body(int64_t{}, int64_t{}, uint32_t{})), "a parallel body is noexcept: it crosses the ABI");
    if (n <= 0) return;
    if (!executor_ || executor_->num_workers <= 1) {
      body(int64_t{0}, n, uint32_t{0});
      return;
    }
    using Fn = std::remove_reference_t<Body>;
    executor_->parallel_for(
        executor_->self, n, grain < 1 ? 1 : grain,
        [](void* arg, int64_t begin, int64_t end, uint32_t worker) { (*static_cast<Fn*>(arg))(begin, end, worker); },
        const_cast<void*>(static_cast<const void*>(&body)));
  }

 private:
  const attnrt_executor* executor_;
};

namespace detail {

template <class F>
attnrt_status guarded(const attnrt_diag* sink, F&& f) noexcept {
  const auto failed = [sink](attnrt_status status, const char* text) {
    Diag(sink).add(ATTNRT_WHY_OTHER, text);
    return status;
  };
  try {
    return f();
  } catch (const Error& e) {
    return failed(e.status(), e.what());
  } catch (const std::bad_alloc&) {
    return failed(ATTNRT_NO_MEMORY, "out of host memory");
  } catch (const std::exception& e) {
    return failed(ATTNRT_FAILED, e.what());
  } catch (...) {
    return failed(ATTNRT_FAILED, "an exception of unknown type was thrown by the kernel");
  }
}

// Which optional members a kernel class has.
#define ATTNRT_DETECT_(name, expression)                    \
  template <class K, class = void>                          \
  struct name : std::false_type {};                         \
  template <class K>                                        \
  struct name<K, std::void_t<decltype(expression)>> : std::true_type {}
ATTNRT_DETECT_(HasSupports, K::supports(std::declval<const attnrt_problem&>(), std::declval<const Diag&>()));
ATTNRT_DETECT_(HasKvLayout, K::kv_layout(std::declval<const attnrt_problem&>()));
ATTNRT_DETECT_(HasWriteKv,
               std::declval<const K&>().write_kv(std::declval<const attnrt_write_args&>(), attnrt_stream{}));
ATTNRT_DETECT_(HasGatherKv,
               std::declval<const K&>().gather_kv(std::declval<const attnrt_gather_args&>(), attnrt_stream{}));
ATTNRT_DETECT_(HasMergeStates,
               std::declval<const K&>().merge_states(std::declval<const attnrt_merge_args&>(), attnrt_stream{}));
#undef ATTNRT_DETECT_

template <class Kernel>
struct Op {
  explicit Op(const CreateInfo& info) : problem(info.problem), kernel(info) { problem.flex = nullptr; }
  attnrt_problem problem;
  Kernel kernel;
};

template <class Kernel>
struct Plan {
  Plan(const Op<Kernel>& o, const attnrt_limits& l, const attnrt_memory& memory)
      : op(o), limits(l), kernel(o.kernel, l, memory) {}
  const Op<Kernel>& op;
  attnrt_limits limits;
  BatchShape shape{};   // of the last update; run checks its tensors against it
  bool updated = false;
  typename Kernel::Plan kernel;
};

template <class Kernel>
struct Adapter {
  using KernelOp = Op<Kernel>;
  using KernelPlan = Plan<Kernel>;
  static const KernelOp& op(const attnrt_kernel_op* p) { return *reinterpret_cast<const KernelOp*>(p); }
  static const KernelPlan& plan(const attnrt_kernel_plan* p) { return *reinterpret_cast<const KernelPlan*>(p); }

  static attnrt_status supports(const attnrt_variant*, const attnrt_problem* problem, const attnrt_diag* sink) {
    return guarded(sink, [&] {
      const Diag diag(sink);
      attnrt_problem own;
      if (!accept(diag, "problem", problem, own)) return ATTNRT_INVALID;
      if constexpr (HasSupports<Kernel>::value) Kernel::supports(own, diag);
      return diag.count() ? ATTNRT_UNSUPPORTED : ATTNRT_OK;
    });
  }

  static attnrt_status kv_layout(const attnrt_variant*, const attnrt_problem* problem, attnrt_kv_layout* layout,
                                 const attnrt_diag* sink) {
    return guarded(sink, [&] {
      const Diag diag(sink);
      attnrt_problem own;
      attnrt_kv_layout answer;
      if (!accept(diag, "problem", problem, own) || !accept(diag, "kv_layout", layout, answer)) return ATTNRT_INVALID;
      if constexpr (HasKvLayout<Kernel>::value) give(Kernel::kv_layout(own), layout);
      return ATTNRT_OK;
    });
  }

  static attnrt_status create(const attnrt_variant* variant, const attnrt_host* host, const attnrt_problem* problem,
                              attnrt_device device, attnrt_kernel_op** out, const attnrt_diag* sink) {
    return guarded(sink, [&] {
      const Diag diag(sink);
      *out = nullptr;
      attnrt_problem own;
      if (!accept(diag, "problem", problem, own) || !check_problem(diag, own)) return ATTNRT_INVALID;
      if (const WhySet whys = refusals(*variant->caps, own)) {
        for (attnrt_why why = 0; why < ATTNRT_WHY_COUNT_; ++why)
          if (whys & why_bit(why)) diag.add(why, "the capability sheet does not admit this problem");
        return ATTNRT_UNSUPPORTED;
      }
      if constexpr (HasSupports<Kernel>::value) {
        Kernel::supports(own, diag);
        if (diag.count()) return ATTNRT_UNSUPPORTED;
      }
      *out = reinterpret_cast<attnrt_kernel_op*>(new KernelOp(CreateInfo{*variant, *host, own, device}));
      return ATTNRT_OK;
    });
  }
  static void destroy(attnrt_kernel_op* p) { delete reinterpret_cast<KernelOp*>(p); }

  static attnrt_status workspace(const attnrt_kernel_op* p, const attnrt_limits* limits, attnrt_workspace* sizes,
                                 const attnrt_diag* sink) {
    return guarded(sink, [&] {
      const Diag diag(sink);
      attnrt_limits own;
      attnrt_workspace answer;
      if (!accept(diag, "workspace", sizes, answer) || !accept(diag, "limits", limits, own)) return ATTNRT_INVALID;
      if (!check_limits(diag, op(p).problem, own)) return ATTNRT_INVALID;
      give(op(p).kernel.workspace(own), sizes);
      return ATTNRT_OK;
    });
  }

  static attnrt_status plan_create(const attnrt_kernel_op* p, const attnrt_limits* limits, const attnrt_memory* memory,
                                   attnrt_kernel_plan** out, const attnrt_diag* sink) {
    return guarded(sink, [&] {
      const Diag diag(sink);
      *out = nullptr;
      attnrt_limits own_limits;
      attnrt_memory own_memory;
      if (!accept(diag, "limits", limits, own_limits) || !accept(diag, "memory", memory, own_memory))
        return ATTNRT_INVALID;
      if (!check_limits(diag, op(p).problem, own_limits)) return ATTNRT_INVALID;
      if (!check_memory(diag, op(p).kernel.workspace(own_limits), own_memory)) return ATTNRT_INVALID;
      *out = reinterpret_cast<attnrt_kernel_plan*>(new KernelPlan(op(p), own_limits, own_memory));
      return ATTNRT_OK;
    });
  }

  static attnrt_status plan_update(attnrt_kernel_plan* p, const attnrt_batch* batch, attnrt_stream stream,
                                   const attnrt_diag* sink) {
    return guarded(sink, [&] {
      const Diag diag(sink);
      KernelPlan& self = *reinterpret_cast<KernelPlan*>(p);
      self.updated = false;  // a refused batch must not leave the old one runnable
      attnrt_batch own;
      if (!accept(diag, "batch", batch, own)) return ATTNRT_INVALID;
      if (!check_batch(diag, self.op.problem, self.limits, own, self.shape)) return ATTNRT_INVALID;
      self.kernel.update(own, stream);
      self.updated = true;
      return ATTNRT_OK;
    });
  }
  static void plan_destroy(attnrt_kernel_plan* p) { delete reinterpret_cast<KernelPlan*>(p); }

  static attnrt_status run(const attnrt_kernel_plan* p, const attnrt_run_args* args, attnrt_stream stream,
                           const attnrt_diag* sink) {
    return guarded(sink, [&] {
      const Diag diag(sink);
      const KernelPlan& self = plan(p);
      if (!self.updated) return diag.invalid("run: the plan holds no batch, plan_update must succeed first");
      attnrt_run_args own;
      if (!accept(diag, "run_args", args, own)) return ATTNRT_INVALID;
      if (!check_run(diag, self.op.problem, self.limits, self.shape, own)) return ATTNRT_INVALID;
      self.op.kernel.run(self.kernel, own, stream);
      return ATTNRT_OK;
    });
  }

  static attnrt_status write_kv(const attnrt_kernel_op* p, const attnrt_write_args* args, attnrt_stream stream,
                                const attnrt_diag* sink) {
    return guarded(sink, [&] {
      const Diag diag(sink);
      attnrt_write_args own;
      if (!accept(diag, "write_args", args, own) || !check_write(diag, op(p).problem, own)) return ATTNRT_INVALID;
      if constexpr (HasWriteKv<Kernel>::value) op(p).kernel.write_kv(own, stream);
      return ATTNRT_OK;
    });
  }

  static attnrt_status gather_kv(const attnrt_kernel_op* p, const attnrt_gather_args* args, attnrt_stream stream,
                                 const attnrt_diag* sink) {
    return guarded(sink, [&] {
      const Diag diag(sink);
      attnrt_gather_args own;
      if (!accept(diag, "gather_args", args, own) || !check_gather(diag, op(p).problem, own)) return ATTNRT_INVALID;
      if constexpr (HasGatherKv<Kernel>::value) op(p).kernel.gather_kv(own, stream);
      return ATTNRT_OK;
    });
  }

  static attnrt_status merge_states(const attnrt_kernel_op* p, const attnrt_merge_args* args, attnrt_stream stream,
                                    const attnrt_diag* sink) {
    return guarded(sink, [&] {
      const Diag diag(sink);
      attnrt_merge_args own;
      if (!accept(diag, "merge_args", args, own) || !check_merge(diag, op(p).problem, own)) return ATTNRT_INVALID;
      if constexpr (HasMergeStates<Kernel>::value) op(p).kernel.merge_states(own, stream);
      return ATTNRT_OK;
    });
  }
};

}  // namespace detail

/// The table of one variant. `caps` is static; entries for members that Kernel lacks are NULL.
template <class Kernel>
constexpr attnrt_variant make_variant(const char* name, const attnrt_caps* caps, const void* self = nullptr) {
  using A = detail::Adapter<Kernel>;
  attnrt_variant v{};
  v.struct_size = sizeof(attnrt_variant);
  v.name = name;
  v.caps = caps;
  v.self = self;
  if constexpr (detail::HasSupports<Kernel>::value) v.supports = &A::supports;
  if constexpr (detail::HasKvLayout<Kernel>::value) v.kv_layout = &A::kv_layout;
  v.create = &A::create;
  v.destroy = &A::destroy;
  v.workspace = &A::workspace;
  v.plan_create = &A::plan_create;
  v.plan_update = &A::plan_update;
  v.plan_destroy = &A::plan_destroy;
  v.run = &A::run;
  if constexpr (detail::HasWriteKv<Kernel>::value) v.write_kv = &A::write_kv;
  if constexpr (detail::HasGatherKv<Kernel>::value) v.gather_kv = &A::gather_kv;
  if constexpr (detail::HasMergeStates<Kernel>::value) v.merge_states = &A::merge_states;
  return v;
}

/// The table of one backend over a static array of variant pointers, best first.
template <std::size_t N>
constexpr attnrt_backend make_backend(const char* name, const char* summary,
                                      const attnrt_variant* const (&variants)[N]) {
  return {sizeof(attnrt_backend), static_cast<uint32_t>(N), name, summary, variants};
}

/// The table of a plugin over a static array of backend pointers. `build` is free text.
template <std::size_t N>
constexpr attnrt_plugin make_plugin(const char* name, const char* version, const char* build,
                                    const attnrt_backend* const (&backends)[N],
                                    attnrt_status (*available)(attnrt_device, const attnrt_diag*) = nullptr,
                                    const void* (*extension)(const char*) = nullptr) {
  return {sizeof(attnrt_plugin), ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR, static_cast<uint32_t>(N), name, version, build,
          backends, available, extension};
}

}  // namespace attnrt::sdk

/// Defines the exported symbol and the ELF note of a plugin: name and version are string literals.
#define ATTNRT_EXPORT_PLUGIN(plugin_table, plugin_name, plugin_version)                                    \
  ATTNRT_PLUGIN_NOTE(plugin_name, plugin_version);                                                         \
  extern "C" ATTNRT_EXPORT const attnrt_plugin* attnrt_plugin_query(uint32_t host_abi_major, uint32_t) {   \
    return host_abi_major == ATTNRT_ABI_MAJOR ? &(plugin_table) : nullptr;                                 \
  }

#endif
