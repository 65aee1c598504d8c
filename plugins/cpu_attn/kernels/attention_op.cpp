// SPDX-License-Identifier: Apache-2.0
#include "attention_op.hpp"

#include <algorithm>
#include <string>

#include "attnrt/operands.hpp"
#include "kv8_cache.hpp"
#include "mask_operands.hpp"
#include "merge.hpp"
#include "native_cache.hpp"
#include "workers.hpp"

namespace attnrt::cpu {

namespace {

bool is_intel() {
#if defined(__x86_64__)
  return __builtin_cpu_is("intel") != 0;
#else
  return false;
#endif
}

/// Few keys where blocks are to be skipped.
int32_t tile_keys(const attnrt_problem& p, Isa isa) {
  const uint32_t bytes = kv_8bit(p) ? 4 : sdk::dtype_bytes(p.q_dtype);
  if (isa != Isa::onednn && (p.features & ATTNRT_FEATURE_BLOCK_SPARSE)) return kernel::kPanelWidth;
  return tile_keys_for(isa, int64_t{p.head_size_qk + p.head_size_v} * bytes);
}

/// Of [R or 1, Hkv or 1], one number for all where a dimension is 1.
View scales_of(const attnrt_tensor* tensor) {
  View scales = view_of(tensor);
  for (int32_t i = 0; tensor && i < 2; ++i)
    if (tensor->shape[i] == 1) scales.stride[i] = 0;
  return scales;
}

}  // namespace

AttentionOp::AttentionOp(const sdk::CreateInfo& info, const AttentionKernels& kernels)
    : problem_(info.problem),
      kernels_(kernels),
      attend_((kv_8bit(info.problem) ? kernels.attend_kv8 : kernels.attend)[info.problem.q_dtype]) {
  const attnrt_problem& p = problem_;
  shape_.num_heads = static_cast<int32_t>(p.num_heads);
  shape_.num_kv_heads = static_cast<int32_t>(p.num_kv_heads);
  shape_.group = shape_.num_heads / shape_.num_kv_heads;
  shape_.head_size_qk = static_cast<int32_t>(p.head_size_qk);
  shape_.head_size_v = static_cast<int32_t>(p.head_size_v);
  shape_.block_size = sdk::is_paged(p.kv_layouts) ? static_cast<int32_t>(p.block_size) : 0;
  shape_.q_dtype = p.q_dtype;
  shape_.kv_dtype = p.kv_dtype;
  shape_.kv_8bit = kv_8bit(p);
  shape_.row_scales = p.features & ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES;
  shape_.q_rope = p.features & ATTNRT_FEATURE_SPLIT_Q ? static_cast<int32_t>(p.mla_rope) : 0;
  shape_.features = p.features;
  shape_.causal = p.causal;
  shape_.window_left = p.window_left;
  shape_.window_right = p.window_right;
  shape_.softcap = p.softcap;
  shape_.cp_size = static_cast<int32_t>(std::max(1u, p.cp_size));
  shape_.cp_rank = p.cp_size > 1 ? static_cast<int32_t>(p.cp_rank) : 0;
  shape_.cp_interleave = p.cp_size > 1 ? static_cast<int32_t>(p.cp_interleave) : 1;
  shape_.native = sdk::is_paged(p.kv_layouts) && (p.kv_layouts & ATTNRT_KV_NATIVE);
  shape_.latent = p.family == ATTNRT_FAMILY_MLA && !kv_8bit(p);
  if (shape_.native) shape_.panels = native_page(p);
  shape_.tuning = tuning_for(is_intel(), kernels.isa);
  shape_.widens = shape_.native && attend_.widens && !shape_.kv_8bit && shape_.tuning.widens_once;
  if (!shape_.native && !(p.kv_layouts & ATTNRT_KV_MLA_LATENT)) {
    const bool hnd = sdk::is_paged(p.kv_layouts) && (p.kv_layouts & ATTNRT_KV_HND);
    shape_.in_place_rows = hnd ? shape_.tuning.in_place_rows_hnd : shape_.tuning.in_place_rows;
  }
  shape_.item_rows = item_rows_for(kernels.isa, shape_.head_size_qk, shape_.head_size_v, shape_.group,
                                   shape_.native && !shape_.kv_8bit && !shape_.widens);
  shape_.tile_keys = tile_keys(p, kernels.isa);
  worker_bytes_ = kernels.scratch_bytes(shape_);
}

attnrt_workspace AttentionOp::workspace(const attnrt_limits& limits) const {
  const PartitionSizes sizes = partition_sizes(shape_, kernels_, limits);
  attnrt_workspace w{};
  w.struct_size = sizeof w;
  w.plan_bytes = std::max<uint64_t>(sizes.prefix_items + sizes.items, 1) * sizeof(AttentionItem) +
                 sizes.members * sizeof(PrefixMember) + sizes.counters * sizeof(int32_t);
  w.plan_alignment = 64;
  w.pinned_alignment = 1;
  w.scratch_bytes =
      uint64_t{limits.num_workers} * worker_bytes_ + (sizes.partial_floats + sizes.state_floats) * sizeof(float);
  w.scratch_alignment = 64;
  return w;
}

AttentionOp::Plan::Plan(const AttentionOp& op, const attnrt_limits& limits, const attnrt_memory& memory)
    : op_(op),
      num_workers_(limits.num_workers),
      sizes_(partition_sizes(op.shape_, op.kernels_, limits)),
      items_(static_cast<AttentionItem*>(memory.plan)),
      sharers_(reinterpret_cast<PrefixMember*>(items_ + std::max<uint64_t>(sizes_.prefix_items + sizes_.items, 1))),
      counters_(reinterpret_cast<int32_t*>(sharers_ + sizes_.members)),
      scratch_(static_cast<std::byte*>(memory.scratch)),
      partials_(reinterpret_cast<float*>(scratch_ + num_workers_ * op.worker_bytes_)),
      states_(partials_ + sizes_.partial_floats) {}

void AttentionOp::Plan::update(const attnrt_batch& batch, attnrt_stream) {
  batch_ = batch;
  std::fill_n(counters_, sizes_.counters, 0);
  parts_ = partition(op_.shape_, op_.kernels_, sizes_, num_workers_, batch_, sharers_, items_);
}

void AttentionOp::run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream, const MatmulWorkers* matmuls,
                      const PairProgram* program) const {
  sdk::want_absent("run", "q_scale", args.q_scale);
  sdk::want_absent("run", "out_scale", args.out_scale);
  sdk::want_absent("run", "out_block_scale", args.out_block_scale);
  const Workers workers(stream);
  if (workers.num_workers() > plan.num_workers_)
    throw sdk::Error(ATTNRT_INVALID, sdk::say("run: the executor has ", workers.num_workers(),
                                              " workers, wanted at most limits.num_workers ", plan.num_workers_));
  AttentionCall call{};
  call.shape = shape_;
  call.batch = &plan.batch_;
  call.q = view_of(args.q);
  call.q_rope = view_of(args.q_rope);
  call.out = view_of(args.out);
  call.lse = view_of(args.lse);
  call.sinks = view_of(args.sinks);
  call.sinks_fp32 = args.sinks && sdk::dtype_of(args.sinks->dtype) == ATTNRT_FP32;
  call.alibi_slopes = view_of(args.alibi_slopes);
  call.masks = masks_of(args, plan.batch_, shape_);
  call.masks.program = program;
  call.scale = args.scale;
  call.k_scale = scales_of(args.k_scale);
  call.v_scale = problem_.family == ATTNRT_FAMILY_MLA && !args.v_scale ? call.k_scale : scales_of(args.v_scale);
  call.partials = plan.partials_;
  call.counters = plan.counters_;
  call.matmuls = matmuls;
  call.members = plan.sharers_;
  call.states = plan.states_;
  if (shape_.block_size > 0) {
    call.k = view_of(args.k_cache);
    call.v = problem_.family == ATTNRT_FAMILY_MLA || shape_.native ? call.k : view_of(args.v_cache);
  } else {
    for (const auto& [from, to] : {std::pair{args.k, &call.k}, {args.v, &call.v}}) {
      const View rows = view_of(from);
      *to = {rows.data, {0, rows.stride[0], rows.stride[1]}};
    }
  }
  const int64_t heads = shape_.num_kv_heads;
  const auto attend = [&](const AttentionItem* items, int64_t count) {
    workers.parallel_for(count * heads, 1, [&](int64_t begin, int64_t end, uint32_t worker) noexcept {
      for (int64_t i = begin; i < end; ++i)
        if (const auto [item, head] = task_at(items, heads, i); head % item->heads == 0)
          attend_.item(call, *item, head, plan.scratch_ + worker * worker_bytes_);
    });
  };
  if (plan.parts_.prefix_items > 0) attend(plan.items_, plan.parts_.prefix_items);
  const AttentionItem* items = plan.items_ + plan.parts_.prefix_items;
  if (const Partition& parts = plan.parts_; parts.num_decode_items > 0) {
    MixedWork work{items, parts.items - parts.num_decode_items, parts.num_decode_items, parts.overlap_pairs,
                   parts.decode_keys};
    workers.parallel_for(workers.num_workers(), 1, [&](int64_t, int64_t, uint32_t worker) noexcept {
      attend_.mixed(call, work, plan.scratch_ + worker * worker_bytes_);
    });
    return;
  }
  attend(items, plan.parts_.items);
}

void AttentionOp::merge_states(const attnrt_merge_args& args, attnrt_stream stream) const {
  sdk::want_absent("merge_states", "out_scale", args.out_scale);
  merge_partials(args, stream);
}

void AttentionOp::supports(const attnrt_problem& p, const sdk::Diag& diag) {
  if (p.out_dtype != p.q_dtype)
    diag.add(ATTNRT_WHY_DTYPE, sdk::say("out_dtype is ", sdk::dtype_name(p.out_dtype), ", wanted the q_dtype ",
                                        sdk::dtype_name(p.q_dtype)));
  if (p.kv_dtype != p.q_dtype && !kv_8bit(p))
    diag.add(ATTNRT_WHY_KV_CACHE_DTYPE, sdk::say("kv_dtype is ", sdk::dtype_name(p.kv_dtype), ", wanted the q_dtype ",
                                                 sdk::dtype_name(p.q_dtype), " or one of 8 bits"));
  constexpr uint64_t kRows = ATTNRT_FEATURE_PER_TOKEN_HEAD_SCALES;
  constexpr uint64_t kWhole = ATTNRT_FEATURE_KV_SCALES | ATTNRT_FEATURE_PER_HEAD_SCALES;
  if ((p.features & (kRows | kWhole)) && !kv_8bit(p))
    diag.add(ATTNRT_WHY_KV_CACHE_DTYPE,
             sdk::say("kv_dtype is ", sdk::dtype_name(p.kv_dtype), ", wanted one of 8 bits where there are scales"));
  if ((p.features & kRows) && (p.features & kWhole))
    diag.add(ATTNRT_WHY_PER_HEAD_SCALES,
             "scales a token and head and scales a tensor or head are required, wanted one kind");
  if ((p.features & kRows) && !(p.kv_layouts & (ATTNRT_KV_NHD | ATTNRT_KV_HND | ATTNRT_KV_NATIVE)))
    diag.add(ATTNRT_WHY_KV_LAYOUT, "scales a token and head are required, wanted a cache whose rows they follow");
  if (p.num_kv_heads == 0 || p.num_heads % p.num_kv_heads != 0)
    diag.add(ATTNRT_WHY_GQA_GROUP,
             sdk::say("num_heads is ", p.num_heads, ", wanted a multiple of num_kv_heads ", p.num_kv_heads));
  if ((p.features & ATTNRT_FEATURE_TREE_MASK) && p.cp_size > 1)
    diag.add(ATTNRT_WHY_TREE_MASK,
             sdk::say("cp_size is ", p.cp_size, ", wanted 1 with a tree mask: its columns are the ",
                      "last keys of a request, which lie on several ranks"));
  if (p.kv_layouts == ATTNRT_KV_NATIVE && p.block_size % kernel::kGranule != 0)
    diag.add(ATTNRT_WHY_BLOCK_SIZE, sdk::say("block_size is ", p.block_size, ", wanted a multiple of ",
                                             kernel::kGranule, " for native pages"));
}

}  // namespace attnrt::cpu
