// SPDX-License-Identifier: Apache-2.0
#include "attention_op.hpp"

#include <algorithm>

namespace attnrt::triton {
namespace {

constexpr uint32_t kManyRows = 64;
constexpr int64_t kSplitTokens = 4096;  ///< tokens times parts, where a batch may choose

// Masks cost registers: kernels come in three levels.
gpu::KernelQuery attention_wanted(const attnrt_problem& p, uint32_t arch, uint32_t rows, int32_t even) {
  constexpr uint64_t bent =
      ATTNRT_FEATURE_SOFTCAP | ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_ALIBI_SQRT | ATTNRT_FEATURE_MM_PREFIX;
  const uint32_t level = p.features & ATTNRT_FEATURE_TREE_MASK ? 2 : p.features & bent ? 1 : 0;
  return {"attention",
          arch,
          static_cast<int32_t>(p.q_dtype),
          static_cast<int32_t>(p.kv_dtype),
          -1,
          p.head_size_qk,
          p.head_size_v,
          rows,
          even,
          level,
          x_of(p)};
}

// The smallest tile of at least `rows` rows; the largest there is where none is so large.
const gpu::KernelImage* find_tile(const attnrt_problem& p, uint32_t arch, uint32_t rows, int32_t even) {
  for (; rows > 1; rows /= 2)
    if (const gpu::KernelImage* found = kernel_table().find(attention_wanted(p, arch, rows, even))) return found;
  return kernel_table().find(attention_wanted(p, arch, 0, even));
}

}  // namespace

void AttentionOp::supports(const attnrt_problem& p, const sdk::Diag& diag) {
  refuse_dtypes(p, diag);
  if (diag.count()) return;
  if (p.mla_kv_lora && (p.mla_nope + p.mla_rope != p.head_size_qk || p.mla_v != p.head_size_v))
    diag.add(ATTNRT_WHY_HEAD_SIZE,
             sdk::say("head sizes are ", p.head_size_qk, " and ", p.head_size_v,
                      ", wanted mla_nope + mla_rope = ", p.mla_nope + p.mla_rope, " and mla_v = ", p.mla_v));
  if ((p.features & ATTNRT_FEATURE_ALIBI) && (p.features & ATTNRT_FEATURE_ALIBI_SQRT))
    diag.add(ATTNRT_WHY_ALIBI, "linear and square-root ALiBi are asked for at once, wanted one of them");
  refuse_missing(p, diag);
  const gpu::KernelImage* const attention = kernel_table().find(attention_wanted(p, p.arch, 0, 0));
  if (!attention || !find_merge_splits(p, p.arch, attention->head_size_v)) refuse_kernel(p, "attention", diag);
}

AttentionOp::AttentionOp(const sdk::CreateInfo& info)
    : CacheOp(info),
      group_(static_cast<int32_t>(problem_.num_heads / problem_.num_kv_heads)),
      invariant_(problem_.determinism >= ATTNRT_DETERMINISM_BATCH_INVARIANT),
      decodes_(problem_.phase == ATTNRT_PHASE_DECODE),
      alignment_(quantised(problem_) ? 16 : 8) {
  const auto rows = static_cast<uint32_t>(group_) * std::max(1u, decodes_ ? problem_.decode_query_len : 1u);
  const bool sizes = problem_.head_size_qk % alignment_ == 0 && problem_.head_size_v % alignment_ == 0;
  for (const int32_t even : {0, 1}) {
    const gpu::KernelImage* const few = find_tile(problem_, device_.arch(), rows, even);
    const gpu::KernelImage* const many = find_tile(problem_, device_.arch(), std::max(kManyRows, rows), even);
    if (even && (!few || !many || !sizes)) continue;
    shapes_[even] = {make_shape(few), make_shape(many)};
  }
}

AttentionOp::Shape AttentionOp::make_shape(const gpu::KernelImage* binary) const {
  Shape shape;
  shape.attention = load(binary, "attention", kAttentionMembers);
  const auto block_m = static_cast<int32_t>(binary->block_m), heads = std::min(group_, block_m);
  shape.tile = static_cast<int32_t>(binary->tile);
  shape.tokens = block_m / heads;
  shape.head_tiles = (group_ + heads - 1) / heads;
  shape.pitch = binary->head_size_v;
  shape.merge_splits = load_merge_splits(shape.pitch);
  return shape;
}

uint32_t AttentionOp::partial_pitch() const {
  uint32_t pitch = 0;
  for (const Pair& pair : shapes_) pitch = std::max({pitch, pair.few.pitch, pair.many.pitch});
  return pitch;
}

const AttentionOp::Shape& AttentionOp::shape_for(const Plan& plan, bool even) const {
  const Pair& pair = shapes_[even];
  const bool many = invariant_ ? !decodes_ : plan.max_query_len_ > pair.few.tokens;
  return many ? pair.many : pair.few;
}

// Tokens times parts that scratch must hold.
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
  return workspace_of(limits, capacity(limits), partial_pitch());
}

AttentionOp::Plan::Plan(const AttentionOp& op, const attnrt_limits& limits, const attnrt_memory& memory)
    : op_(op),
      buffers_(limits, pointer(memory.plan)),
      capacity_(op.capacity(limits)),
      multiprocessors_(gpu::multiprocessors_of(op.device_, limits)) {
  const attnrt_problem& p = op.problem_;
  AttentionArguments& a = arguments_;
  op.place_parts(a, memory, capacity_, op.partial_pitch());
  buffers_.give(a);
  a.softcap = p.softcap;
  a.window_left = p.window_left;
  a.window_right = p.window_right;
  a.num_heads = static_cast<int32_t>(p.num_heads);
  a.num_kv_heads = static_cast<int32_t>(p.num_kv_heads);
  a.head_size_qk = static_cast<int32_t>(p.head_size_qk);
  a.head_size_v = static_cast<int32_t>(p.head_size_v);
  a.block_size = static_cast<int32_t>(sdk::is_paged(p.kv_layouts) ? p.block_size : 1);
  a.flags = (p.causal == ATTNRT_CAUSAL_ALWAYS ? kCausal : 0) |
            (p.causal == ATTNRT_CAUSAL_PER_REQUEST ? kPerRequest : 0) | (sdk::is_paged(p.kv_layouts) ? kPaged : 0) |
            (p.features & ATTNRT_FEATURE_SINKS ? kSinks : 0) |
            (p.features & (ATTNRT_FEATURE_ALIBI | ATTNRT_FEATURE_ALIBI_SQRT) ? kAlibi : 0) |
            (p.features & ATTNRT_FEATURE_ALIBI_SQRT ? kAlibiSqrt : 0) |
            (p.features & ATTNRT_FEATURE_TREE_MASK ? kTree : 0) | (p.features & ATTNRT_FEATURE_MM_PREFIX ? kPrefix : 0);
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
  want_absent("run", "out_scale", args.out_scale);
  want_absent("run", "out_block_scale", args.out_block_scale);
  want_dense("sinks", args.sinks, 1);
  want_dense("alibi_slopes", args.alibi_slopes, 1);
  want_dense("prefix_ranges", args.prefix_ranges, 2);
  if (plan.num_seqs_ == 0 || plan.num_tokens_ == 0) return;
  const bool paged = plan.arguments_.flags & kPaged;
  const attnrt_tensor& k = paged ? *args.k_cache : *args.k;
  const attnrt_tensor& v = paged ? *args.v_cache : *args.v;
  const int32_t first = paged ? 0 : -1;  // contiguous rows are the slots of one block
  const bool even = shapes_[1].few.attention.loaded() && aligned(args.q, 8) && aligned(args.out, 8) &&
                    aligned(&k, alignment_) && aligned(&v, alignment_);
  AttentionArguments a = plan.arguments_;
  a.out_ptr = pointer(args.out);
  a.lse_ptr = pointer(args.lse);
  a.q_ptr = pointer(args.q);
  a.k_ptr = pointer(&k);
  a.v_ptr = pointer(&v);
  a.q_scale_ptr = pointer(args.q_scale);
  a.k_scale_ptr = pointer(args.k_scale);
  a.v_scale_ptr = pointer(args.v_scale);
  a.sinks_ptr = a.sinks_q_ptr = pointer(args.sinks);
  a.alibi_slopes_ptr = pointer(args.alibi_slopes);
  a.tree_mask_ptr = pointer(args.tree_mask);
  a.prefix_ranges_ptr = pointer(args.prefix_ranges);
  a.softmax_scale = args.scale;
  a.flags |= (args.lse ? kLse : 0) | (args.q_scale ? kQScale : 0) | (args.k_scale ? kKScale : 0) |
             (args.v_scale ? kVScale : 0);
  if (args.sinks && sdk::dtype_of(args.sinks->dtype) != ATTNRT_FP32) a.flags |= kSinksQDtype;
  a.q_stride_token = args.q->strides[0];
  a.q_stride_head = args.q->strides[1];
  const bool packed = x_of(problem_) != 0;  // [block, head, ...]: the kernel knows where slots lie
  a.k_stride_block = paged ? k.strides[0] : 0;
  a.k_stride_slot = packed ? 0 : k.strides[first + 1];
  a.k_stride_head = k.strides[packed ? 1 : first + 2];
  a.v_stride_block = paged ? v.strides[0] : 0;
  a.v_stride_slot = packed ? 0 : v.strides[first + 1];
  a.v_stride_head = v.strides[packed ? 1 : first + 2];
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
  if (args.tree_mask) {
    want_size("tree_mask", *args.tree_mask, 0, plan.num_seqs_, true);
    want_size("tree_mask", *args.tree_mask, 1, plan.max_query_len_, false);
    want_size("tree_mask", *args.tree_mask, 2, plan.max_query_len_, false);
    a.tree_stride_request = step(args.tree_mask, 0);
    a.tree_stride_row = args.tree_mask->strides[1];
    a.tree_stride_key = args.tree_mask->strides[2];
  }
  const Shape& shape = shape_for(plan, even);
  a.num_splits = num_splits(shape, plan);
  const gpu::Grid grid{static_cast<uint32_t>(plan.num_tokens_ / shape.tokens + plan.num_seqs_),
                       static_cast<uint32_t>(a.num_kv_heads * shape.head_tiles), static_cast<uint32_t>(a.num_splits)};
  shape.attention.launch(device_.driver(), grid, &a, device_stream(stream));
  if (a.num_splits > 1) merge_splits(shape.merge_splits, a, args, 0, plan.num_tokens_, stream);
}

}  // namespace attnrt::triton
