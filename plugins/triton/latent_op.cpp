// SPDX-License-Identifier: Apache-2.0
#include "latent_op.hpp"

#include <algorithm>

namespace attnrt::triton {
namespace {

constexpr int64_t kSplitTokens = 2048;  ///< tokens times parts, where a batch may choose
// Partial rows (tokens times parts times heads) of one slice: 4,096 programs, which fill every device, and 134 MB.
constexpr int64_t kMostRows = int64_t{1} << 16;

// Attends to all keys, or to those that an indexer chose.
const char* kernel_of(const attnrt_problem& p) { return p.sparse_topk ? "mla_sparse" : "mla_decode"; }

gpu::KernelQuery decode_wanted(const attnrt_problem& p, uint32_t arch, int32_t even) {
  return {kernel_of(p), arch, static_cast<int32_t>(p.q_dtype), static_cast<int32_t>(p.kv_dtype), -1, 0, 0, 0, even};
}

}  // namespace

void LatentOp::supports(const attnrt_problem& p, const sdk::Diag& diag) {
  if (p.family != ATTNRT_FAMILY_MLA) return;  // the sheet refuses it; kernels of other rows are no reason of this op
  refuse_dtypes(p, diag);
  if (diag.count()) return;
  refuse_missing(p, diag);
  if (!kernel_table().find(decode_wanted(p, p.arch, 0)) || !find_merge_splits(p, p.arch, p.head_size_v))
    refuse_kernel(p, kernel_of(p), diag);
}

LatentOp::LatentOp(const sdk::CreateInfo& info)
    : CacheOp(info),
      invariant_(problem_.determinism >= ATTNRT_DETERMINISM_BATCH_INVARIANT),
      alignment_(quantised(problem_) ? 16 : 8) {
  for (const int32_t even : {0, 1}) {
    const gpu::KernelImage* const binary = kernel_table().find(decode_wanted(problem_, device_.arch(), even));
    if (even && !binary) continue;
    shapes_[even].decode = load(binary, kernel_of(problem_), kMlaDecodeMembers);
    shapes_[even].head_tiles = static_cast<int32_t>(ceiling(problem_.num_heads, binary->block_m));
    shapes_[even].tile = static_cast<int32_t>(binary->tile);
  }
  merge_splits_ = load_merge_splits(problem_.head_size_v);
}

// There is always at least one part a token: all results go through merge_splits.
int64_t LatentOp::capacity(const attnrt_limits& limits) const {
  const int64_t tokens = limits.max_tokens;
  const int64_t wanted =
      invariant_ ? tokens * kInvariantSplits : std::max(tokens, std::min(tokens * kMaxSplits, kSplitTokens));
  return std::min(wanted, std::max<int64_t>(kMostRows / problem_.num_heads, kInvariantSplits));
}

attnrt_workspace LatentOp::workspace(const attnrt_limits& limits) const {
  return workspace_of(limits, capacity(limits), problem_.head_size_v);
}

LatentOp::Plan::Plan(const LatentOp& op, const attnrt_limits& limits, const attnrt_memory& memory)
    : op_(op),
      buffers_(limits, pointer(memory.plan)),
      capacity_(op.capacity(limits)),
      multiprocessors_(gpu::multiprocessors_of(op.device_, limits)) {
  const attnrt_problem& p = op.problem_;
  MlaDecodeArguments& a = arguments_;
  op.place_parts(a, memory, capacity_, p.head_size_v);
  buffers_.give(a);
  a.num_heads = static_cast<int32_t>(p.num_heads);
  a.block_size = static_cast<int32_t>(p.block_size);
  a.flags = kPaged | (p.causal == ATTNRT_CAUSAL_ALWAYS ? kCausal : 0) |
            (p.causal == ATTNRT_CAUSAL_PER_REQUEST ? kPerRequest : 0) |
            (p.features & ATTNRT_FEATURE_SINKS ? kSinks : 0);
  a.sparse_topk = static_cast<int32_t>(p.sparse_topk);
}

void LatentOp::Plan::update(const attnrt_batch& batch, attnrt_stream stream) {
  buffers_.take_over(op_.device_, batch, device_stream(stream));
  arguments_.flags = batch.kv_lens ? arguments_.flags | kKvLens : arguments_.flags & ~kKvLens;
  num_tokens_ = batch.num_seqs == 0 ? 0 : batch.num_tokens;
  max_seq_len_ = batch.max_seq_len;
}

int32_t LatentOp::num_splits(const Shape& shape, const Plan& plan) const {
  if (invariant_) return kInvariantSplits;
  const int32_t keys = problem_.sparse_topk ? plan.arguments_.sparse_topk : plan.max_seq_len_;
  return gpu::splits_that_fill(plan.multiprocessors_, int64_t{plan.num_tokens_} * shape.head_tiles, keys, shape.tile,
                               std::max<int64_t>(plan.capacity_ / plan.num_tokens_, 1));
}

void LatentOp::run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const {
  want_absent("run", "out_scale", args.out_scale);
  want_absent("run", "out_block_scale", args.out_block_scale);
  want_absent("run", "q_scale", args.q_scale);
  want_dense("sinks", args.sinks, 1);
  want_dense("sparse_indices", args.sparse_indices, 1);
  if (plan.num_tokens_ == 0) return;
  const bool even =
      shapes_[1].decode.loaded() && aligned(args.q, 8) && aligned(args.q_rope, 8) && aligned(args.k_cache, alignment_);
  const Shape& shape = shapes_[even];
  MlaDecodeArguments a = plan.arguments_;
  a.num_splits = num_splits(shape, plan);
  a.q_ptr = pointer(args.q);
  a.q_stride_token = args.q->strides[0];
  a.q_stride_head = args.q->strides[1];
  a.q_rope_ptr = args.q_rope ? pointer(args.q_rope)
                             : a.q_ptr + uint64_t{problem_.mla_kv_lora} * sdk::dtype_bytes(problem_.q_dtype);
  a.q_rope_stride_token = args.q_rope ? args.q_rope->strides[0] : a.q_stride_token;
  a.q_rope_stride_head = args.q_rope ? args.q_rope->strides[1] : a.q_stride_head;
  a.kv_ptr = pointer(args.k_cache);
  a.kv_stride_block = args.k_cache->strides[0];
  a.kv_stride_slot = args.k_cache->strides[1];
  a.k_scale_ptr = pointer(args.k_scale);
  a.k_scale_stride_request = step(args.k_scale, 0);
  a.softmax_scale = args.scale;
  if (args.k_scale) a.flags |= kKScale;
  if (args.sinks && sdk::dtype_of(args.sinks->dtype) != ATTNRT_FP32) a.flags |= kSinksQDtype;
  if (args.sparse_indices) {
    a.sparse_indices_ptr = pointer(args.sparse_indices);
    a.sparse_stride_token = args.sparse_indices->strides[0];
  }
  const int64_t slice = plan.capacity_ / a.num_splits;
  for (int64_t first = 0; first < plan.num_tokens_; first += slice) {
    const auto tokens = static_cast<int32_t>(std::min(slice, plan.num_tokens_ - first));
    a.first_token = static_cast<int32_t>(first);
    const gpu::Grid grid{static_cast<uint32_t>(tokens * shape.head_tiles), 1, static_cast<uint32_t>(a.num_splits)};
    shape.decode.launch(device_.driver(), grid, &a, device_stream(stream));
    merge_splits(merge_splits_, a, args, a.first_token, tokens, stream);
  }
}

}  // namespace attnrt::triton
