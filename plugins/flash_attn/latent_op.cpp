// SPDX-License-Identifier: Apache-2.0
#include "latent_op.hpp"

#include <algorithm>

namespace attnrt::flash {
namespace {

using gpu::aligned, gpu::device_stream, gpu::kInvariantSplits, gpu::kMaxSplits, gpu::pointer, gpu::want_absent;

constexpr int64_t kSplitTokens = 2048;  ///< tokens times splits, where a batch may choose

const gpu::KernelImage* find_latent(const attnrt_problem& p, uint32_t arch) {
  return kernel_table().find(
      {"latent_wgmma", arch, static_cast<int32_t>(p.q_dtype), static_cast<int32_t>(p.kv_dtype), -1, 0, 0, 0, -1});
}

}  // namespace

void LatentOp::supports(const attnrt_problem& p, const sdk::Diag& diag) {
  refuse_dtypes(p, diag);  // the sheet admits q's dtype alone
  if (p.mla_kv_lora != 512 || p.mla_rope != 64)
    diag.add(ATTNRT_WHY_HEAD_SIZE,
             sdk::say("mla_kv_lora and mla_rope are ", p.mla_kv_lora, " and ", p.mla_rope, ", wanted 512 and 64"));
  if (diag.count()) return;
  if (!find_latent(p, p.arch)) refuse_kernel(p, "latent_wgmma", diag);
}

LatentOp::LatentOp(const sdk::CreateInfo& info)
    : CacheOp(info, kernel_table()), invariant_(problem_.determinism >= ATTNRT_DETERMINISM_BATCH_INVARIANT) {
  const gpu::KernelImage* const image = find_latent(problem_, device_.arch());
  attend_ = {device_, image, "latent_wgmma", kAttentionMembers};
  const auto heads = static_cast<int32_t>(problem_.num_heads), rows = static_cast<int32_t>(image->block_m);
  tile_ = static_cast<int32_t>(image->tile);
  tokens_ = rows / std::min(heads, rows);
  head_tiles_ = (heads + rows - 1) / rows;
  merge_splits_ = {device_, find_row_kernel(kernel_table(), "merge_splits", problem_, device_.arch()), "merge_splits",
                   kMergeSplitsMembers};
}

int64_t LatentOp::capacity(const attnrt_limits& limits) const {
  const int64_t tokens = limits.max_tokens;
  return invariant_ ? tokens * kInvariantSplits : std::min(tokens * kMaxSplits, kSplitTokens);
}

attnrt_workspace LatentOp::workspace(const attnrt_limits& limits) const {
  return workspace_of(limits, gpu::partial_bytes(capacity(limits), problem_.num_heads, problem_.head_size_v));
}

LatentOp::Plan::Plan(const LatentOp& op, const attnrt_limits& limits, const attnrt_memory& memory)
    : op_(op),
      buffers_(limits, pointer(memory.plan)),
      capacity_(op.capacity(limits)),
      multiprocessors_(gpu::multiprocessors_of(op.device_, limits)) {
  const attnrt_problem& p = op.problem_;
  AttentionArguments& a = arguments_;
  a.partial_ptr = pointer(memory.scratch);
  a.partial_lse_ptr = a.partial_ptr + static_cast<uint64_t>(capacity_) * p.num_heads * p.head_size_v * sizeof(float);
  buffers_.give(a);
  a.window_left = a.window_right = -1;
  a.num_heads = a.group = static_cast<int32_t>(p.num_heads);
  a.head_size_qk = static_cast<int32_t>(p.head_size_qk);
  a.head_size_v = static_cast<int32_t>(p.head_size_v);
  a.sixteens = static_cast<int32_t>(p.block_size / 16);
  op.set_rank(a);
  a.flags = kPaged | causality_flags(p);
}

void LatentOp::Plan::update(const attnrt_batch& batch, attnrt_stream stream) {
  buffers_.take_over(op_.device_, batch, device_stream(stream));
  arguments_.flags = batch.kv_lens ? arguments_.flags | kKvLens : arguments_.flags & ~kKvLens;
  num_seqs_ = batch.num_seqs;
  num_tokens_ = batch.num_tokens;
  max_seq_len_ = batch.max_seq_len;
}

// 1 = whole.
int32_t LatentOp::num_splits(const Plan& plan) const {
  if (invariant_) return kInvariantSplits;
  const int64_t blocks = gpu::ceiling(plan.num_tokens_, tokens_) * head_tiles_;
  return gpu::splits_that_fill(plan.multiprocessors_, blocks, plan.max_seq_len_, tile_,
                               plan.capacity_ / plan.num_tokens_);
}

void LatentOp::run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const {
  want_absent("run", "out_scale", args.out_scale);
  want_absent("run", "out_block_scale", args.out_block_scale);
  if (plan.num_seqs_ == 0 || plan.num_tokens_ == 0) return;
  AttentionArguments a = plan.arguments_;
  a.num_splits = num_splits(plan);
  a.out_ptr = pointer(args.out);
  a.lse_ptr = pointer(args.lse);
  a.q_ptr = pointer(args.q);
  a.q_stride_token = args.q->strides[0];
  a.q_stride_head = args.q->strides[1];
  a.q_rope_ptr = args.q_rope ? pointer(args.q_rope)
                             : a.q_ptr + uint64_t{problem_.mla_kv_lora} * sdk::dtype_bytes(problem_.q_dtype);
  a.q_rope_stride_token = args.q_rope ? args.q_rope->strides[0] : a.q_stride_token;
  a.q_rope_stride_head = args.q_rope ? args.q_rope->strides[1] : a.q_stride_head;
  a.k_ptr = pointer(args.k_cache);
  a.k_stride_block = args.k_cache->strides[0];
  a.k_stride_slot = args.k_cache->strides[1];
  a.softmax_scale = args.scale;
  a.flags |= (args.lse ? kLse : 0) | (writes_pairs(args.out) ? kAlignedOut : 0) |
             (aligned(args.q, 8) && aligned(args.q_rope, 8) && aligned(args.k_cache, 8) ? kAligned : 0);
  a.out_stride_token = args.out->strides[0];
  a.out_stride_head = args.out->strides[1];
  if (args.lse) {
    a.lse_stride_token = args.lse->strides[0];
    a.lse_stride_head = args.lse->strides[1];
  }
  const gpu::Grid grid{static_cast<uint32_t>(plan.num_tokens_ / tokens_ + plan.num_seqs_),
                       static_cast<uint32_t>(head_tiles_), static_cast<uint32_t>(a.num_splits)};
  attend_.launch(device_.driver(), grid, &a, device_stream(stream));
  if (a.num_splits > 1) merge_splits(merge_splits_, a, problem_.head_size_v, plan.num_tokens_, stream);
}

}  // namespace attnrt::flash
