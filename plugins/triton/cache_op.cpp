// SPDX-License-Identifier: Apache-2.0
#include "cache_op.hpp"

#include <algorithm>

#include "../gpu/arch.hpp"
#include "../gpu/batch_buffers.hpp"

namespace attnrt::triton {
namespace {

constexpr int32_t kMostPartials = 4;

gpu::KernelQuery wanted(const char* kernel, uint32_t arch, uint32_t q_dtype, int32_t kv_dtype) {
  return {kernel, arch, static_cast<int32_t>(q_dtype), kv_dtype, -1, 0, 0, 0, -1};
}
gpu::KernelQuery write_wanted(const attnrt_problem& p, uint32_t arch, uint32_t rows) {
  const bool mla = p.family == ATTNRT_FAMILY_MLA;
  gpu::KernelQuery w = wanted("write_kv", arch, rows, static_cast<int32_t>(p.kv_dtype));
  w.head_size_qk = mla ? p.mla_kv_lora : p.head_size_qk;
  w.head_size_v = mla ? p.mla_rope : p.head_size_v;
  return w;
}
gpu::KernelQuery merge_wanted(const attnrt_problem& p, uint32_t arch, uint32_t partial) {
  gpu::KernelQuery w = wanted("merge_states", arch, p.out_dtype, static_cast<int32_t>(partial));
  w.head_size_v = p.head_size_v;
  return w;
}

// What keeps the order of devices that differ.
constexpr const char* different_order(int32_t device_type) {
  return device_type == ATTNRT_DEVICE_CUDA ? "; where devices differ CUDA_DEVICE_ORDER=PCI_BUS_ID keeps their order"
                                           : "";
}

}  // namespace

void refuse_dtypes(const attnrt_problem& p, const sdk::Diag& diag) {
  if (p.out_dtype != p.q_dtype)
    diag.add(ATTNRT_WHY_DTYPE, sdk::say("out_dtype is ", sdk::dtype_name(p.out_dtype), ", wanted the q_dtype ",
                                        sdk::dtype_name(p.q_dtype)));
  if (p.kv_dtype != p.q_dtype && !quantised(p))
    diag.add(ATTNRT_WHY_KV_CACHE_DTYPE, sdk::say("kv_dtype is ", sdk::dtype_name(p.kv_dtype), ", wanted the q_dtype ",
                                                 sdk::dtype_name(p.q_dtype), ", fp8_e4m3 or fp8_e5m2"));
  if ((p.features & (ATTNRT_FEATURE_KV_SCALES | ATTNRT_FEATURE_PER_HEAD_SCALES)) && !quantised(p))
    diag.add(ATTNRT_WHY_KV_CACHE_DTYPE,
             sdk::say("kv_dtype is ", sdk::dtype_name(p.kv_dtype), ", wanted one of 8 bits where there are scales"));
}

const gpu::KernelImage* find_merge_splits(const attnrt_problem& p, uint32_t arch, uint32_t pitch) {
  gpu::KernelQuery w = wanted("merge_splits", arch, p.out_dtype, -1);
  w.head_size_v = pitch;
  const gpu::KernelImage* const found = kernel_table().find(w);
  return found && found->head_size_v == pitch ? found : nullptr;
}

void refuse_kernel(const attnrt_problem& p, const char* kernel, const sdk::Diag& diag) {
  diag.add(ATTNRT_WHY_OTHER, sdk::say("no kernel ", kernel, " was compiled for q ", sdk::dtype_name(p.q_dtype),
                                      ", cache ", sdk::dtype_name(p.kv_dtype), ", head sizes ", p.head_size_qk, " and ",
                                      p.head_size_v, " on ", gpu::arch_text(p.device_type, p.arch)));
}

void refuse_missing(const attnrt_problem& p, const sdk::Diag& diag) {
  const auto need = [&](bool needed, const gpu::KernelQuery& w) {
    if (needed && !kernel_table().find(w)) refuse_kernel(p, w.kernel, diag);
  };
  const bool paged = sdk::is_paged(p.kv_layouts), lse = p.features & ATTNRT_FEATURE_LSE;
  if (p.num_heads > 65535)
    diag.add(ATTNRT_WHY_OTHER, sdk::say("num_heads is ", p.num_heads, ", wanted at most 65535, the rows of a grid"));
  need(paged, write_wanted(p, p.arch, p.q_dtype));
  need(paged && p.kv_dtype != p.q_dtype, write_wanted(p, p.arch, p.kv_dtype));
  need(lse, merge_wanted(p, p.arch, p.out_dtype));
  need(lse && p.out_dtype != ATTNRT_FP32, merge_wanted(p, p.arch, ATTNRT_FP32));
}

CacheOp::CacheOp(const sdk::CreateInfo& info) : problem_(info.problem), device_(gpu::Device::open(info.device)) {
  const attnrt_problem& p = problem_;
  if (const uint32_t arch = device_.arch(); arch != p.arch)
    throw sdk::Error(
        ATTNRT_UNAVAILABLE,
        sdk::say(device_.driver().platform, "'s device ", info.device.id, " has ", gpu::arch_text(p.device_type, arch),
                 ", wanted the problem's ", gpu::arch_name(p.device_type, p.arch), different_order(p.device_type)));
  if (sdk::is_paged(p.kv_layouts)) {
    write_rows_ = load(kernel_table().find(write_wanted(p, device_.arch(), p.q_dtype)), "write_kv", kWriteKvMembers);
    write_stored_ = load(kernel_table().find(write_wanted(p, device_.arch(), p.kv_dtype)), "write_kv", kWriteKvMembers);
  }
  if (p.features & ATTNRT_FEATURE_LSE) {
    merge_same_ =
        load(kernel_table().find(merge_wanted(p, device_.arch(), p.out_dtype)), "merge_states", kMergeStatesMembers);
    merge_fp32_ =
        load(kernel_table().find(merge_wanted(p, device_.arch(), ATTNRT_FP32)), "merge_states", kMergeStatesMembers);
  }
}

gpu::Launcher CacheOp::load_merge_splits(uint32_t pitch) const {
  return load(find_merge_splits(problem_, device_.arch(), pitch), "merge_splits", kMergeSplitsMembers);
}

attnrt_workspace CacheOp::workspace_of(const attnrt_limits& limits, int64_t parts, uint32_t pitch) const {
  constexpr uint64_t most = uint64_t{1} << 32;
  if (sdk::is_paged(problem_.kv_layouts) && static_cast<uint64_t>(limits.max_seq_len) * problem_.block_size >= most)
    throw sdk::Error(ATTNRT_UNSUPPORTED, sdk::say("limits.max_seq_len is ", limits.max_seq_len, " with block_size ",
                                                  problem_.block_size, ", wanted a product below ", most));
  attnrt_workspace w{};
  w.struct_size = sizeof w;
  w.plan_bytes = gpu::BatchBuffers(limits, 0).bytes();
  w.plan_alignment = w.scratch_alignment = gpu::BatchBuffers::kAlignment;
  w.pinned_alignment = 1;
  w.scratch_bytes = gpu::partial_bytes(parts, problem_.num_heads, pitch);
  return w;
}

void CacheOp::launch_merge(const gpu::Launcher& launcher, MergeSplitsArguments& m, const attnrt_run_args& args,
                           int32_t tokens, attnrt_stream stream) const {
  m.out_ptr = pointer(args.out);
  m.sinks_ptr = m.sinks_q_ptr = pointer(args.sinks);
  m.num_heads = static_cast<int32_t>(problem_.num_heads);
  m.head_size_v = static_cast<int32_t>(problem_.head_size_v);
  m.out_stride_token = args.out->strides[0];
  m.out_stride_head = args.out->strides[1];
  if (args.lse) {
    m.flags |= kLse;
    m.lse_ptr = pointer(args.lse);
    m.lse_stride_token = args.lse->strides[0];
    m.lse_stride_head = args.lse->strides[1];
  }
  launcher.launch(device_.driver(), {static_cast<uint32_t>(tokens), problem_.num_heads, 1}, &m, device_stream(stream));
}

void CacheOp::write_kv(const attnrt_write_args& args, attnrt_stream stream) const {
  const bool mla = problem_.family == ATTNRT_FAMILY_MLA;
  if (args.k->dtype.code != args.v->dtype.code || args.k->dtype.bits != args.v->dtype.bits)
    throw sdk::Error(ATTNRT_INVALID, "write_kv: k and v are of two dtypes, wanted one");
  const bool stored = sdk::dtype_of(args.k->dtype) != static_cast<int>(problem_.q_dtype);
  const attnrt_tensor& k_cache = *args.k_cache;
  const attnrt_tensor& v_cache = mla ? k_cache : *args.v_cache;
  const attnrt_tensor* v_scale = mla ? args.k_scale : args.v_scale;
  WriteKvArguments a{};
  a.k_ptr = pointer(args.k);
  a.v_ptr = pointer(args.v);
  a.slot_mapping_ptr = pointer(args.slot_mapping);
  a.k_cache_ptr = pointer(&k_cache);
  a.v_cache_ptr = pointer(&v_cache) + (mla ? uint64_t{problem_.mla_kv_lora} * sdk::dtype_bytes(problem_.kv_dtype) : 0);
  a.k_scale_ptr = pointer(args.k_scale);
  a.v_scale_ptr = pointer(v_scale);
  a.flags = (args.k_scale && !stored ? kKScale : 0) | (v_scale && !stored ? kVScale : 0);
  a.num_tokens = static_cast<int32_t>(args.slot_mapping->shape[0]);
  a.num_kv_heads = static_cast<int32_t>(problem_.num_kv_heads);
  a.head_size_qk = static_cast<int32_t>(mla ? problem_.mla_kv_lora : problem_.head_size_qk);
  a.head_size_v = static_cast<int32_t>(mla ? problem_.mla_rope : problem_.head_size_v);
  a.block_size = static_cast<int32_t>(problem_.block_size);
  a.k_stride_token = args.k->strides[0];
  a.k_stride_head = args.k->strides[1];
  a.v_stride_token = args.v->strides[0];
  a.v_stride_head = args.v->strides[1];
  a.k_cache_stride_block = k_cache.strides[0];
  a.k_cache_stride_slot = k_cache.strides[1];
  a.k_cache_stride_head = k_cache.strides[2];
  a.v_cache_stride_block = v_cache.strides[0];
  a.v_cache_stride_slot = v_cache.strides[1];
  a.v_cache_stride_head = v_cache.strides[2];
  a.slot_stride = args.slot_mapping->strides[0];
  a.k_scale_stride_head = step(args.k_scale, 0);
  a.v_scale_stride_head = step(v_scale, 0);
  const gpu::Grid grid{static_cast<uint32_t>(a.num_tokens), problem_.num_kv_heads, 1};
  (stored ? write_stored_ : write_rows_).launch(device_.driver(), grid, &a, device_stream(stream));
}

void CacheOp::merge_states(const attnrt_merge_args& args, attnrt_stream stream) const {
  want_absent("merge_states", "out_scale", args.out_scale);
  if (!merge_same_.loaded())
    throw sdk::Error(ATTNRT_UNSUPPORTED, "merge_states: the op was created without the feature LSE, wanted it");
  if (args.num_partials > kMostPartials)
    throw sdk::Error(ATTNRT_UNSUPPORTED,
                     sdk::say("merge_states: num_partials is ", args.num_partials, ", wanted at most ", kMostPartials));
  MergeStatesArguments a{};
  a.out_ptr = pointer(args.out);
  a.lse_ptr = pointer(args.lse);
  a.flags = args.lse ? kLse : 0;
  a.num_partials = args.num_partials;
  a.num_merged_tokens = static_cast<int32_t>(args.num_merged_tokens);
  a.num_heads = static_cast<int32_t>(problem_.num_heads);
  a.head_size_v = static_cast<int32_t>(problem_.head_size_v);
  a.out_stride_token = args.out->strides[0];
  a.out_stride_head = args.out->strides[1];
  if (args.lse) {
    a.lse_stride_token = args.lse->strides[0];
    a.lse_stride_head = args.lse->strides[1];
  }
  const struct {
    uint64_t &out, &lse;
    int64_t &out_token, &out_head, &lse_token, &lse_head;
  } places[kMostPartials] = {
      {a.out_0_ptr, a.lse_0_ptr, a.out_0_stride_token, a.out_0_stride_head, a.lse_0_stride_token, a.lse_0_stride_head},
      {a.out_1_ptr, a.lse_1_ptr, a.out_1_stride_token, a.out_1_stride_head, a.lse_1_stride_token, a.lse_1_stride_head},
      {a.out_2_ptr, a.lse_2_ptr, a.out_2_stride_token, a.out_2_stride_head, a.lse_2_stride_token, a.lse_2_stride_head},
      {a.out_3_ptr, a.lse_3_ptr, a.out_3_stride_token, a.out_3_stride_head, a.lse_3_stride_token, a.lse_3_stride_head}};
  const int first = sdk::dtype_of(args.outs[0]->dtype);
  for (int32_t i = 0; i < args.num_partials; ++i) {
    const attnrt_tensor &out = *args.outs[i], &lse = *args.lses[i];
    if (sdk::dtype_of(out.dtype) != first)
      throw sdk::Error(ATTNRT_UNSUPPORTED, "merge_states: the partial results are of different dtypes, wanted one");
    places[i].out = pointer(&out);
    places[i].lse = pointer(&lse);
    places[i].out_token = out.strides[0];
    places[i].out_head = out.strides[1];
    places[i].lse_token = lse.strides[0];
    places[i].lse_head = lse.strides[1];
  }
  const gpu::Grid grid{static_cast<uint32_t>(args.num_tokens), problem_.num_heads, 1};
  const bool same = first == static_cast<int>(problem_.out_dtype);
  (same ? merge_same_ : merge_fp32_).launch(device_.driver(), grid, &a, device_stream(stream));
}

}  // namespace attnrt::triton
