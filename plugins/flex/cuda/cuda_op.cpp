// SPDX-License-Identifier: Apache-2.0
#include "cuda_op.hpp"

#include <algorithm>
#include <utility>

#include "../cpu/flex_program.hpp"
#include "attnrt/flex/builder.hpp"
#include "attnrt/flex/region.hpp"

namespace attnrt::flex {
namespace {

using gpu::ceiling, gpu::device_stream, gpu::pointer;

constexpr int64_t kTilesAGroup = 4;  ///< that block_mask finds together
constexpr uint64_t kAlignment = gpu::BatchBuffers::kAlignment;

uint64_t aligned_up(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

sdk::CreateInfo with_problem(const sdk::CreateInfo& info, const attnrt_problem& problem) {
  return {info.variant, info.host, problem, info.device};
}

}  // namespace

CudaProgram::CudaProgram(const attnrt_problem& given) : problem(given), program(simplify(read_program(given))) {
  const Builtins builtins = take_builtins(program, false);
  problem.flex = nullptr;  // the caller's, and read
  const auto narrow = [](int32_t& window, int32_t by) {
    if (by != Builtins::kNone) window = window < 0 ? by : std::min(window, by);
  };
  narrow(problem.window_left, builtins.window_left);
  narrow(problem.window_right, builtins.window_right);
  const RegionAnalysis analysis(program, nullptr);
  for (std::size_t i = 0; i < program.buffers.size(); ++i) mask_reads.push_back(analysis.reads(i));
}

void CudaFlexOp::supports(const attnrt_problem& p, const sdk::Diag& diag) {
  flash::refuse_dtypes(p, diag);
  if (!(p.features & ATTNRT_FEATURE_FLEX)) return;
  try {
    read_program(p);
  } catch (const sdk::Error& error) {
    diag.add(ATTNRT_WHY_OTHER, error.what());
  }
}

/// What an op needs before the kernels of its base are known.
struct CudaFlexOp::Made {
  explicit Made(const sdk::CreateInfo& info)
      : program(std::make_unique<const CudaProgram>(info.problem)),
        kernels(gpu::Device::open(info.device), program->problem, program->program) {}
  std::unique_ptr<const CudaProgram> program;
  CudaKernels kernels;
};

CudaFlexOp::CudaFlexOp(const sdk::CreateInfo& info) : CudaFlexOp(info, Made(info)) {}

CudaFlexOp::CudaFlexOp(const sdk::CreateInfo& info, Made made)
    : AttentionOp(with_problem(info, made.program->problem), made.kernels.table(), "attention"),
      program_(std::move(made.program)),
      kernels_(std::move(made.kernels)),
      by_head_(masks_by_head(program_->program)),
      tiles_{{&few(), {}}, {&many(), {}}} {
  if (!has_mask()) return;
  for (Tiles& tiles : tiles_)
    tiles.find = {device_, kernels_.block_mask(tiles.shape->rows), "block_mask", flash::kAttentionMembers};
}

int64_t CudaFlexOp::heads_of(const Shape& shape) const {
  return by_head_ ? int64_t{problem_.num_kv_heads} * shape.head_tiles : 1;
}

namespace {

int64_t pitch_of(int32_t tile, const attnrt_limits& limits) {
  return ceiling(limits.max_seq_len, tile * kTilesAGroup) * kTilesAGroup;
}

}  // namespace

uint64_t CudaFlexOp::block_mask_bytes(const Shape& shape, const attnrt_limits& limits) const {
  if (!has_mask()) return 0;
  const int64_t blocks = limits.max_tokens / shape.tokens + limits.max_seqs;
  return aligned_up(static_cast<uint64_t>(blocks * heads_of(shape) * pitch_of(shape.tile, limits)));
}

attnrt_workspace CudaFlexOp::workspace(const attnrt_limits& limits) const {
  attnrt_workspace w = AttentionOp::workspace(limits);
  if (has_mask())
    w.plan_bytes = aligned_up(w.plan_bytes) + block_mask_bytes(few(), limits) + block_mask_bytes(many(), limits);
  return w;
}

CudaFlexOp::Plan::Plan(const CudaFlexOp& op, const attnrt_limits& limits, const attnrt_memory& memory)
    : AttentionOp::Plan(op, limits, memory), flex_(op) {
  uint64_t at = pointer(memory.plan) + aligned_up(gpu::BatchBuffers(limits, 0).bytes());
  for (const int which : {0, 1}) {
    const Shape& shape = *op.tiles_[which].shape;
    block_masks_[which] = at;
    pitches_[which] = pitch_of(shape.tile, limits);
    at += op.block_mask_bytes(shape, limits);
  }
}

void CudaFlexOp::set_block_mask(FlexArguments& a, const Plan& plan, int which) const {
  const int64_t pitch = plan.pitches_[which];
  a.block_mask_ptr = plan.block_masks_[which];
  a.block_mask_stride_row = heads_of(*tiles_[which].shape) * pitch;
  a.block_mask_stride_head = by_head_ ? pitch : 0;
}

void CudaFlexOp::Plan::update(const attnrt_batch& batch, attnrt_stream stream) {
  const CudaFlexOp& op = flex_;
  const Program& program = op.program_->program;
  const auto wanted = [&](std::size_t i) { return bool{op.program_->mask_reads[i]}; };
  BufferView views[kMaxBuffers];
  if (!program.buffers.empty() && batch.flex) {
    if (const std::string why = bind(program, batch.flex->tensors, batch.flex->count, wanted, views); !why.empty())
      throw sdk::Error(ATTNRT_INVALID, "plan_update: " + why);
  }
  for (std::size_t i = 0; i < program.buffers.size() && !batch.flex; ++i)
    if (wanted(i))
      throw sdk::Error(ATTNRT_INVALID, sdk::say("plan_update: flex is NULL, wanted the buffer ",
                                                program.buffers[i].name, " that the mask reads"));
  AttentionOp::Plan::update(batch, stream);
  if (!op.has_mask() || batch.num_tokens == 0) return;
  FlexArguments a{};
  a.attention = arguments();
  for (std::size_t i = 0; i < program.buffers.size(); ++i) a.buffers[i] = FlexBuffer(views[i]);
  // A run that was captured keeps its kernel, whichever a later batch would have, unless the problem alone decides.
  const bool one =
      op.problem_.graph_level == ATTNRT_GRAPH_NEVER || op.problem_.determinism >= ATTNRT_DETERMINISM_BATCH_INVARIANT;
  for (const int which : {0, 1}) {
    const Shape& shape = *op.tiles_[which].shape;
    if (one && &shape != &op.shape_for(*this)) continue;
    op.set_block_mask(a, *this, which);
    gpu::Grid grid = op.blocks(shape, *this);
    if (!op.by_head_) grid.y = 1;
    grid.z = static_cast<uint32_t>(ceiling(max_seq_len(), shape.tile * kTilesAGroup));
    op.tiles_[which].find.launch_block(op.device_.driver(), grid, &a, op.argument_bytes(), device_stream(stream));
  }
}

void CudaFlexOp::run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const {
  const auto* const buffers = static_cast<const attnrt_flex_buffers*>(args.flex);
  const Program& program = program_->program;
  BufferView views[kMaxBuffers];
  if (const std::string why = bind(
          program, buffers ? buffers->tensors : nullptr, buffers ? buffers->count : 0, [](std::size_t) { return true; },
          views);
      !why.empty())
    throw sdk::Error(ATTNRT_INVALID, "run: " + why);
  const Call call = prepare(plan, args);
  if (!call.shape) return;
  FlexArguments a{};
  a.attention = call.arguments;
  for (std::size_t i = 0; i < program.buffers.size(); ++i) a.buffers[i] = FlexBuffer(views[i]);
  if (has_mask()) set_block_mask(a, plan, call.shape == &few() ? 0 : 1);
  call.shape->attention.launch_block(device_.driver(), call.grid, &a, argument_bytes(), device_stream(stream));
  finish(plan, call, stream);
}

}  // namespace attnrt::flex
