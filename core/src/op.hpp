// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdlib>
#include <memory>

#include "attnrt/check.hpp"
#include "executors.hpp"
#include "log.hpp"
#include "result.hpp"
#include "select.hpp"

namespace attnrt::core {

/// The host as plugins see it, and the thread pools; shared by the runtime and its ops, so an op may outlive the
/// runtime and a pool is there as long as either. [thread-safe]
class Host {
 public:
  explicit Host(Log::Callback callback, void* self);
  const Log& log() const noexcept { return log_; }
  const attnrt_host& face() const noexcept { return face_; }
  const attnrt_executor* executor(uint32_t num_workers) const { return executors_.get(num_workers, log_); }

 private:
  Log log_;
  mutable Executors executors_;
  attnrt_host face_{};
};

/// A variant created for one problem. Every call is checked against the contract before the plugin is entered; after a
/// fork every call answers FAILED.
class Op {
 public:
  static Result<std::unique_ptr<Op>> create(std::shared_ptr<const Host> host, std::shared_ptr<const Choice> choice);
  ~Op();
  Op(const Op&) = delete;
  Op& operator=(const Op&) = delete;

  const attnrt_problem& problem() const noexcept { return choice_->problem; }
  const attnrt_variant& variant() const noexcept { return *choice_->variant; }
  attnrt_kernel_op* kernel() const noexcept { return kernel_; }
  const Choice& choice() const noexcept { return *choice_; }

  Status kv_layout(attnrt_kv_layout* layout) const;
  Status workspace(const attnrt_limits* limits, attnrt_workspace* sizes) const;
  Status write_kv(const attnrt_write_args* args, attnrt_stream stream) const;
  Status gather_kv(const attnrt_gather_args* args, attnrt_stream stream) const;
  Status merge_states(const attnrt_merge_args* args, attnrt_stream stream) const;
  /// Are the blocks of a native cache as large as kv_layout tells? Only the plugin can read them. True for all others.
  bool holds_blocks(const sdk::Diag& diag, const attnrt_tensor* k_cache) const;
  /// FAILED where this process is a fork of the one that created the op.
  Status alive() const;

 private:
  Op(std::shared_ptr<const Host> host, std::shared_ptr<const Choice> choice);
  std::shared_ptr<const Host> host_;
  std::shared_ptr<const Choice> choice_;
  attnrt_kernel_op* kernel_ = nullptr;
  uint32_t generation_;  ///< fork_generation() of the process that created it
};

/// Persistent state of one batch in flight.
class Plan {
 public:
  /// memory NULL: allocated here (CPU).
  static Result<std::unique_ptr<Plan>> create(const Op& op, const attnrt_limits* limits, const attnrt_memory* memory);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  const Op& op() const noexcept { return *op_; }
  Status update(const attnrt_batch* batch, attnrt_stream stream);
  Status run(const attnrt_run_args* args, attnrt_stream stream) const;

 private:
  struct Release {
    void operator()(void* p) const noexcept { std::free(p); }
  };
  explicit Plan(const Op& op) : op_(&op) {}
  Status allocate(const attnrt_workspace& sizes);

  const Op* op_;
  attnrt_limits limits_{};
  attnrt_memory memory_{};
  std::unique_ptr<void, Release> own_[3];
  attnrt_kernel_plan* kernel_ = nullptr;
  sdk::BatchShape shape_{};
  bool updated_ = false;
};

}  // namespace attnrt::core
