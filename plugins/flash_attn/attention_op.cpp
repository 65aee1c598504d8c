// SPDX-License-Identifier: Apache-2.0
#include "attention_op.hpp"

#include <algorithm>

namespace attnrt::flash {
namespace {

using gpu::aligned, gpu::device_stream, gpu::kInvariantSplits, gpu::kMaxSplits, gpu::pointer, gpu::step,
    gpu::want_absent, gpu::want_dense;

constexpr const char* kFewKernel = "attention";
constexpr uint32_t kManyRows = 64;
constexpr int64_t kSplitTokens = 4096;  ///< tokens times splits, where a batch may choose

gpu::KernelQuery attention_wanted(const char* kernel, const attnrt_problem& p, uint32_t arch, uint32_t rows) {
  constexpr uint64_t bent = ATTNRT_FEATURE_SOFTCAP | ATTNRT_FEATURE_ALIBI;
  return {kernel,
          arch,
          static_cast<int32_t>(p.q_dtype),
          static_cast<int32_t>(p.kv_dtype),
          -1,
          p.head_size_qk,
          p.head_size_v,
          rows,
          -1,
          p.features & bent ? 1u : 0u};
}

// The image of at least so many rows, the largest there is where none has them.
const gpu::KernelImage* find_rows(const gpu::KernelTable& table, const char* kernel, const attnrt_problem& p,
                                  uint32_t arch, uint32_t rows) {
  for (; rows > 1; rows /= 2)
    if (const gpu::KernelImage* found = table.find(attention_wanted(kernel, p, arch, rows))) return found;
  return table.find(attention_wanted(kernel, p, arch, 0));
}

}  // namespace

void AttentionOp::refuse(const attnrt_problem& p, const gpu::KernelTable& table, const char* many,
                         const sdk::Diag& diag) {
  refuse_dtypes(p, diag);
  if (p.mla_kv_lora && (p.mla_nope + p.mla_rope != p.head_size_qk || p.mla_v != p.head_size_v))
    diag.add(ATTNRT_WHY_HEAD_SIZE,
             sdk::say("head sizes are ", p.head_size_qk, " and ", p.head_size_v,
                      ", wanted mla_nope + mla_rope = ", p.mla_nope + p.mla_rope, " and mla_v = ", p.mla_v));
  if ((p.features & ATTNRT_FEATURE_CONTEXT_PARALLEL) && (p.features & ATTNRT_FEATURE_ALIBI))
    diag.add(ATTNRT_WHY_ALIBI, "ALiBi is asked for on a context-parallel rank, wanted one of the two");
  if (diag.count()) return;
  for (const char* kernel : {kFewKernel, many})
    if (!table.find(attention_wanted(kernel, p, p.arch, 0))) return refuse_kernel(p, kernel, diag);
}

AttentionOp::AttentionOp(const sdk::CreateInfo& info, const gpu::KernelTable& table, const char* many)
    : CacheOp(info, table),
      group_(static_cast<int32_t>(problem_.num_heads / problem_.num_kv_heads)),
      invariant_(problem_.determinism >= ATTNRT_DETERMINISM_BATCH_INVARIANT),
      decodes_(problem_.phase == ATTNRT_PHASE_DECODE) {
  const uint32_t arch = device_.arch();
  const auto rows = static_cast<uint32_t>(group_) * std::max(1u, decodes_ ? problem_.decode_query_len : 1u);
  few_ = make_shape(find_rows(table, kFewKernel, problem_, arch, std::min(rows, kManyRows)), kFewKernel);
  many_ = make_shape(find_rows(table, many, problem_, arch, kManyRows), many);
  merge_splits_ = {device_, find_row_kernel(table, "merge_splits", problem_, arch), "merge_splits",
                   kMergeSplitsMembers};
}

AttentionOp::Shape AttentionOp::make_shape(const gpu::KernelImage* image, const char* kernel) const {
  Shape shape;
  shape.attention = {device_, image, kernel, kAttentionMembers};
  const auto rows = static_cast<int32_t>(image->block_m), heads = std::min(group_, rows);
  shape.tile = static_cast<int32_t>(image->tile);
  shape.rows = image->block_m;
  shape.tokens = rows / heads;
  shape.head_tiles = (group_ + heads - 1) / heads;
  shape.pitch = image->head_size_v;
  return shape;
}

const AttentionOp::Shape& AttentionOp::shape_for(const Plan& plan) const {
  const bool many = invariant_ ? !decodes_ : plan.max_query_len_ > few_.tokens;
  return many ? many_ : few_;
}

// Tokens times splits that scratch must hold.
int64_t AttentionOp::capacity(const attnrt_limits& limits) const {
  const int64_t tokens = limits.max_tokens;
  if (invariant_) return decodes_ ? tokens * kInvariantSplits : 0;
  return std::min(tokens * kMaxSplits, kSplitTokens);
}

// 1 = whole.
int32_t AttentionOp::num_splits(const Shape& shape, const Plan& plan) const {
  if (invariant_) return decodes_ ? kInvariantSplits : 1;
  if (plan.max_query_len_ > shape.tokens) return 1;
  return gpu::splits_that_fill(plan.multiprocessors_,
                               int64_t{plan.num_seqs_} * problem_.num_kv_heads * shape.head_tiles, plan.max_seq_len_,
                               shape.tile, plan.capacity_ / plan.num_tokens_);
}

attnrt_workspace AttentionOp::workspace(const attnrt_limits& limits) const {
  return workspace_of(limits, gpu::partial_bytes(capacity(limits), problem_.num_heads, pitch()));
}

AttentionOp::Plan::Plan(const AttentionOp& op, const attnrt_limits& limits, const attnrt_memory& memory)
    : op_(op),
      buffers_(limits, pointer(memory.plan)),
      capacity_(op.capacity(limits)),
      multiprocessors_(gpu::multiprocessors_of(op.device_, limits)) {
  const attnrt_problem& p = op.problem_;
  AttentionArguments& a = arguments_;
  a.partial_ptr = pointer(memory.scratch);
  a.partial_lse_ptr = a.partial_ptr + static_cast<uint64_t>(capacity_) * p.num_heads * op.pitch() * sizeof(float);
  buffers_.give(a);
  a.softcap = p.softcap;
  a.window_left = p.window_left;
  a.window_right = p.window_right;
  a.num_heads = static_cast<int32_t>(p.num_heads);
  a.group = op.group_;
  a.head_size_qk = static_cast<int32_t>(p.head_size_qk);
  a.head_size_v = static_cast<int32_t>(p.head_size_v);
  const bool paged = sdk::is_paged(p.kv_layouts);
  a.sixteens = static_cast<int32_t>(paged ? p.block_size / 16 : 1);
  op.set_rank(a);
  a.flags = causality_flags(p) | (paged ? kPaged : 0) | (p.features & ATTNRT_FEATURE_SINKS ? kSinks : 0) |
            (p.features & ATTNRT_FEATURE_ALIBI ? kAlibi : 0);
}

void AttentionOp::Plan::update(const attnrt_batch& batch, attnrt_stream stream) {
  buffers_.take_over(op_.device_, batch, device_stream(stream));
  arguments_.flags = batch.kv_lens ? arguments_.flags | kKvLens : arguments_.flags & ~kKvLens;
  num_seqs_ = batch.num_seqs;
  num_tokens_ = batch.num_tokens;
  max_query_len_ = batch.max_query_len;
  max_seq_len_ = batch.max_seq_len;
}

void AttentionOp::run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const {
  const Call call = prepare(plan, args);
  if (!call.shape) return;
  call.shape->attention.launch(device_.driver(), call.grid, &call.arguments, device_stream(stream));
  finish(plan, call, stream);
}

gpu::Grid AttentionOp::blocks(const Shape& shape, const Plan& plan) const {
  return {static_cast<uint32_t>(plan.num_tokens_ / shape.tokens + plan.num_seqs_),
          problem_.num_kv_heads * static_cast<uint32_t>(shape.head_tiles), 1};
}

AttentionOp::Call AttentionOp::prepare(const Plan& plan, const attnrt_run_args& args) const {
  want_absent("run", "out_scale", args.out_scale);
  want_absent("run", "out_block_scale", args.out_block_scale);
  want_dense("sinks", args.sinks, 1);
  want_dense("alibi_slopes", args.alibi_slopes, 1);
  Call call{plan.arguments_, nullptr, {}};
  if (plan.num_seqs_ == 0 || plan.num_tokens_ == 0) return call;
  AttentionArguments& a = call.arguments;
  const bool paged = a.flags & kPaged;
  const attnrt_tensor& k = paged ? *args.k_cache : *args.k;
  const attnrt_tensor& v = paged ? *args.v_cache : *args.v;
  const int32_t first = paged ? 0 : -1;  // contiguous rows are the slots of one block
  a.out_ptr = pointer(args.out);
  a.lse_ptr = pointer(args.lse);
  a.q_ptr = pointer(args.q);
  a.k_ptr = pointer(&k);
  a.v_ptr = pointer(&v);
  a.q_scale_ptr = pointer(args.q_scale);
  a.k_scale_ptr = pointer(args.k_scale);
  a.v_scale_ptr = pointer(args.v_scale);
  a.sinks_ptr = pointer(args.sinks);
  a.alibi_slopes_ptr = pointer(args.alibi_slopes);
  a.softmax_scale = args.scale;
  a.flags |= (args.lse ? kLse : 0) | (args.q_scale ? kQScale : 0) | (args.k_scale ? kKScale : 0) |
             (args.v_scale ? kVScale : 0) | (writes_pairs(args.out) ? kAlignedOut : 0) |
             (aligned(args.q, 8) && aligned(&k, 8) && aligned(&v, 8) ? kAligned : 0);
  if (args.sinks && sdk::dtype_of(args.sinks->dtype) != ATTNRT_FP32) a.flags |= kSinksQDtype;
  a.q_stride_token = args.q->strides[0];
  a.q_stride_head = args.q->strides[1];
  a.k_stride_block = paged ? k.strides[0] : 0;
  a.k_stride_slot = k.strides[first + 1];
  a.k_stride_head = k.strides[first + 2];
  a.v_stride_block = paged ? v.strides[0] : 0;
  a.v_stride_slot = v.strides[first + 1];
  a.v_stride_head = v.strides[first + 2];
  a.out_stride_token = args.out->strides[0];
  a.out_stride_head = args.out->strides[1];
  if (args.lse) {
    a.lse_stride_token = args.lse->strides[0];
    a.lse_stride_head = args.lse->strides[1];
  }
  a.q_scale_stride_request = step(args.q_scale, 0);
  a.k_scale_stride_request = step(args.k_scale, 0);
  a.v_scale_stride_request = step(args.v_scale, 0);
  if (args.q_scale) a.q_scale_stride_head = step(args.q_scale, 1);
  if (args.k_scale) a.k_scale_stride_head = step(args.k_scale, 1);
  if (args.v_scale) a.v_scale_stride_head = step(args.v_scale, 1);
  const Shape& shape = shape_for(plan);
  a.num_splits = num_splits(shape, plan);
  call.shape = &shape;
  call.grid = blocks(shape, plan);
  call.grid.z = static_cast<uint32_t>(a.num_splits);
  return call;
}

void AttentionOp::finish(const Plan& plan, const Call& call, attnrt_stream stream) const {
  const AttentionArguments& a = call.arguments;
  if (a.num_splits > 1) merge_splits(merge_splits_, a, call.shape->pitch, plan.num_tokens_, stream);
}

}  // namespace attnrt::flash
