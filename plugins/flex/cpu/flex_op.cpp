// SPDX-License-Identifier: Apache-2.0
#include "flex_op.hpp"

#include <utility>

namespace attnrt::flex {
namespace {

sdk::CreateInfo with_problem(const sdk::CreateInfo& info, const attnrt_problem& problem) {
  return {info.variant, info.host, problem, info.device};
}

}  // namespace

/// What the kernels' callbacks are given: one call's buffers.
struct FlexOp::Call {
  const FlexOp& op;
  const Plan& plan;
  BufferView views[kMaxBuffers];
  bool has_mask, has_score;

  std::size_t worker(const void* address) const {
    return static_cast<std::size_t>(static_cast<const std::byte*>(address) - plan.scratch()) / op.worker_bytes_;
  }
  /// The program's part of the scratch of the worker that owns `address`.
  std::byte* scratch(const void* address) const {
    const std::size_t at = worker(address) * op.worker_bytes_ + op.kernel_bytes_;
    return const_cast<std::byte*>(plan.scratch()) + at;
  }
  RowCall row(const RowCode& code, const cpu::PairProgram::Row& r) const {
    return {&code.view(),
            views,
            r.request,
            r.head,
            static_cast<int32_t>(r.query),
            static_cast<int32_t>(r.first_key),
            static_cast<int32_t>(r.count)};
  }

  static cpu::PairProgram::Seen look(const void* self, const void* address, const cpu::PairProgram::Block& block) {
    const auto& call = *static_cast<const Call*>(self);
    const Region region{block.request,
                        block.request,
                        block.first_head,
                        block.last_head,
                        static_cast<int32_t>(block.first_query),
                        static_cast<int32_t>(block.last_query),
                        static_cast<int32_t>(block.first_key),
                        static_cast<int32_t>(block.last_key)};
    switch (call.plan.analyses_[call.worker(address)].visibility(region)) {
      case Visibility::empty:
        return cpu::PairProgram::Seen::kNone;
      case Visibility::full:
        return cpu::PairProgram::Seen::kAll;
      case Visibility::unknown:
        break;
    }
    return cpu::PairProgram::Seen::kSome;
  }
  static void hide(const void* self, const cpu::PairProgram::Row& row, float* bias) {
    const auto& call = *static_cast<const Call*>(self);
    call.op.rows_.hide(call.row(*call.op.program_->mask(), row), bias, call.scratch(bias));
  }
  static void score(const void* self, const cpu::PairProgram::Row& row, float* scores) {
    const auto& call = *static_cast<const Call*>(self);
    call.op.rows_.score(call.row(*call.op.program_->score(), row), scores, call.scratch(scores));
  }
};

FlexOp::FlexOp(const sdk::CreateInfo& info, std::unique_ptr<FlexProgram> program, const cpu::AttentionKernels& kernels,
               const RowEvaluator& rows)
    : StandardOp(with_problem(info, program->problem()), kernels),
      program_(std::move(program)),
      rows_(rows),
      kernel_bytes_(worker_bytes_) {
  worker_bytes_ += program_->scratch_bytes();
}

FlexOp::Plan::Plan(const FlexOp& op, const attnrt_limits& limits, const attnrt_memory& memory)
    : StandardOp::Plan(op, limits, memory), flex_(op) {
  const FlexProgram& program = *op.program_;
  for (std::size_t i = 0; i < program.program().buffers.size(); ++i) ranges_.emplace_back(program.mask_reads(i));
  if (program.mask())
    for (uint32_t i = 0; i < limits.num_workers; ++i) analyses_.emplace_back(program.program(), ranges_.data());
  if (program.slope()) slopes_.resize(op.problem_.num_heads);
}

void FlexOp::Plan::update(const attnrt_batch& batch, attnrt_stream stream) {
  attnrt_batch own = batch;
  own.common_prefix_len = 0;  // requests that share keys need not share what the program makes of them
  StandardOp::Plan::update(own, stream);
  const FlexProgram& program = *flex_.program_;
  BufferView views[kMaxBuffers];
  const auto wanted = [&](std::size_t i) { return program.mask_reads(i); };
  if (!program.program().buffers.empty() && batch.flex) {
    if (const std::string why = bind(program.program(), batch.flex->tensors, batch.flex->count, wanted, views);
        !why.empty())
      throw sdk::Error(ATTNRT_INVALID, "plan_update: " + why);
  }
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    if (!wanted(i)) continue;
    if (!batch.flex)
      throw sdk::Error(ATTNRT_INVALID, sdk::say("plan_update: flex is NULL, wanted the buffer ",
                                                program.program().buffers[i].name, " that the mask reads"));
    ranges_[i].fill(program.program().buffers[i], views[i]);
  }
}

void FlexOp::run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const {
  const FlexProgram& program = *program_;
  // Callbacks below; a program without a mask or a score has none.
  Call call{*this, plan, {}, program.mask() != nullptr, program.score() != nullptr};
  const auto* buffers = static_cast<const attnrt_flex_buffers*>(args.flex);
  if (const std::string why = bind(
          program.program(), buffers ? buffers->tensors : nullptr, buffers ? buffers->count : 0,
          [](std::size_t) { return true; }, call.views);
      !why.empty())
    throw sdk::Error(ATTNRT_INVALID, "run: " + why);
  attnrt_run_args own = args;
  attnrt_tensor slopes{};
  int64_t size = static_cast<int64_t>(plan.slopes_.size()), stride = 1;
  if (size) {
    for (int32_t h = 0; h < size; ++h)
      rows_.score({&program.slope()->view(), call.views, 0, h, 0, 0, 1}, &plan.slopes_[static_cast<std::size_t>(h)],
                  call.scratch(plan.scratch()));
    slopes = {plan.slopes_.data(), {ATTNRT_DEVICE_CPU, 0}, 1, sdk::to_dlpack(ATTNRT_FP32), &size, &stride, 0};
    own.alibi_slopes = &slopes;
  }
  if (!call.has_mask && !call.has_score) return StandardOp::run(plan, own, stream);
  const cpu::PairProgram pairs{&call,       call.has_mask, call.has_score, program.by_head(),
                               &Call::look, &Call::hide,   &Call::score};
  StandardOp::run(plan, own, stream, nullptr, &pairs);
}

void FlexOp::supports(const attnrt_problem& p, const sdk::Diag& diag) {
  StandardOp::supports(p, diag);
  if (!(p.features & ATTNRT_FEATURE_FLEX)) return;
  try {
    read_program(p);
  } catch (const sdk::Error& error) {
    diag.add(ATTNRT_WHY_OTHER, error.what());
  }
  if (p.cp_size > 1)
    diag.add(ATTNRT_WHY_FEATURE, sdk::say("cp_size is ", p.cp_size,
                                          ", wanted 1 with a program: its positions are those of a whole request"));
}

}  // namespace attnrt::flex
