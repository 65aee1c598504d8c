// SPDX-License-Identifier: Apache-2.0
#include "latent_op.hpp"

#include <algorithm>

#include "operands.hpp"

namespace attnrt::triton {
namespace {

constexpr int32_t kInvariantSplits = 16, kMostSplits = 32;
constexpr int64_t kSplitTokens = 2048;  ///< tokens times parts, where a batch may choose

sdk::CuStream cuda_stream(attnrt_stream stream) { return static_cast<sdk::CuStream>(const_cast<void*>(stream)); }

Wanted decode_wanted(const attnrt_problem& p, uint32_t arch, int32_t even) {
  return {"mla_decode", arch, static_cast<int32_t>(p.q_dtype), static_cast<int32_t>(p.kv_dtype), -1, 0, 0, 0, even};
}

int64_t ceiling(int64_t value, int64_t step) { return (value + step - 1) / step; }

}  // namespace

void LatentOp::supports(const attnrt_problem& p, const sdk::Diag& diag) {
  refuse_dtypes(p, diag);
  if (diag.count()) return;
  refuse_missing(p, diag);
  if (!find(decode_wanted(p, p.arch, 0)) || !find_merge_splits(p, p.arch, p.head_size_v))
    diag.add(ATTNRT_WHY_OTHER,
             sdk::say("no kernel was compiled for q ", sdk::dtype_name(p.q_dtype), " and cache ",
                      sdk::dtype_name(p.kv_dtype), " on compute capability ", p.arch / 10, ".", p.arch % 10));
}

LatentOp::LatentOp(const sdk::CreateInfo& info)
    : CacheOp(info),
      invariant_(problem_.determinism >= ATTNRT_DETERMINISM_BATCH_INVARIANT),
      alignment_(quantised(problem_) ? 16 : 8) {
  for (const int32_t even : {0, 1}) {
    const Binary* const binary = find(decode_wanted(problem_, device_.arch(), even));
    if (even && !binary) continue;
    shapes_[even].decode = load(binary, "mla_decode", kMlaDecodeMembers);
    shapes_[even].head_tiles = static_cast<int32_t>(ceiling(problem_.num_heads, binary->block_m));
    shapes_[even].tile = static_cast<int32_t>(binary->tile);
  }
  merge_splits_ = load_merge_splits(problem_.head_size_v);
}

// There is always at least one part a token: all results go through merge_splits.
int64_t LatentOp::capacity(const attnrt_limits& limits) const {
  const int64_t tokens = limits.max_tokens;
  return invariant_ ? tokens * kInvariantSplits : std::max(tokens, std::min(tokens * kMostSplits, kSplitTokens));
}

attnrt_workspace LatentOp::workspace(const attnrt_limits& limits) const {
  want_addressable(problem_, limits);
  attnrt_workspace w{};
  w.struct_size = sizeof w;
  w.plan_bytes = BatchBuffers(limits, 0).bytes();
  w.plan_alignment = w.scratch_alignment = BatchBuffers::kAlignment;
  w.pinned_alignment = 1;
  w.scratch_bytes =
      static_cast<uint64_t>(capacity(limits)) * problem_.num_heads * (problem_.head_size_v + 1) * sizeof(float);
  return w;
}

LatentOp::Plan::Plan(const LatentOp& op, const attnrt_limits& limits, const attnrt_memory& memory)
    : op_(op), buffers_(limits, pointer(memory.plan)), capacity_(op.capacity(limits)) {
  const attnrt_problem& p = op.problem_;
  MlaDecodeArguments& a = arguments_;
  a.partial_ptr = pointer(memory.scratch);
  a.partial_lse_ptr = a.partial_ptr + static_cast<uint64_t>(capacity_) * p.num_heads * p.head_size_v * sizeof(float);
  a.query_start_loc_ptr = buffers_.query_start_loc;
  a.seq_lens_ptr = buffers_.seq_lens;
  a.kv_lens_ptr = buffers_.kv_lens;
  a.causal_ptr = buffers_.causal;
  a.block_table_ptr = buffers_.block_table;
  a.num_seqs_ptr = buffers_.num_seqs;
  a.block_table_stride = buffers_.block_table_stride();
  a.num_heads = static_cast<int32_t>(p.num_heads);
  a.block_size = static_cast<int32_t>(p.block_size);
  a.flags = kPaged | (p.causal == ATTNRT_CAUSAL_ALWAYS ? kCausal : 0) |
            (p.causal == ATTNRT_CAUSAL_PER_REQUEST ? kPerRequest : 0);
}

void LatentOp::Plan::update(const attnrt_batch& batch, attnrt_stream stream) {
  buffers_.take_over(op_.device_.driver(), batch, cuda_stream(stream));
  arguments_.flags = batch.kv_lens ? arguments_.flags | kKvLens : arguments_.flags & ~kKvLens;
  num_tokens_ = batch.num_seqs == 0 ? 0 : batch.num_tokens;
  max_seq_len_ = batch.max_seq_len;
}

// As many parts as fill the device, none shorter than two tiles; one number for all batches where bits may not depend
// on them.
int32_t LatentOp::num_splits(const Shape& shape, const Plan& plan) const {
  if (invariant_) return kInvariantSplits;
  const int64_t tokens = plan.num_tokens_;
  int64_t splits =
      std::min<int64_t>(kMostSplits, ceiling(2 * int64_t{device_.multiprocessors()}, tokens * shape.head_tiles));
  splits = std::min({splits, ceiling(plan.max_seq_len_, 2 * int64_t{shape.tile}), plan.capacity_ / tokens});
  return static_cast<int32_t>(std::max<int64_t>(splits, 1));
}

void LatentOp::run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const {
  want_absent("run", "out_scale", args.out_scale);
  want_absent("run", "out_block_scale", args.out_block_scale);
  want_absent("run", "q_scale", args.q_scale);
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
  const auto tokens = static_cast<uint32_t>(plan.num_tokens_);
  shape.decode.launch(device_.driver(),
                      {tokens * static_cast<uint32_t>(shape.head_tiles), 1, static_cast<uint32_t>(a.num_splits)}, &a,
                      cuda_stream(stream));
  MergeSplitsArguments m{};
  m.out_ptr = pointer(args.out);
  m.lse_ptr = pointer(args.lse);
  m.partial_ptr = a.partial_ptr;
  m.partial_lse_ptr = a.partial_lse_ptr;
  m.query_start_loc_ptr = a.query_start_loc_ptr;
  m.num_seqs_ptr = a.num_seqs_ptr;
  m.flags = args.lse ? kLse : 0;
  m.num_heads = a.num_heads;
  m.head_size_v = static_cast<int32_t>(problem_.head_size_v);
  m.num_splits = a.num_splits;
  m.out_stride_token = args.out->strides[0];
  m.out_stride_head = args.out->strides[1];
  if (args.lse) {
    m.lse_stride_token = args.lse->strides[0];
    m.lse_stride_head = args.lse->strides[1];
  }
  merge_splits_.launch(device_.driver(), {tokens, problem_.num_heads, 1}, &m, cuda_stream(stream));
}

}  // namespace attnrt::triton
