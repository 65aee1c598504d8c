// SPDX-License-Identifier: Apache-2.0
#include "cache_op.hpp"

#include <algorithm>

#include "../gpu/batch_buffers.hpp"

namespace attnrt::flash {
namespace {

using gpu::aligned, gpu::device_stream, gpu::pointer, gpu::step, gpu::want_absent;

constexpr int32_t kMostPartials = 4;

}  // namespace

void refuse_dtypes(const attnrt_problem& p, const sdk::Diag& diag) {
  if (p.out_dtype != p.q_dtype)
    diag.add(ATTNRT_WHY_DTYPE, sdk::say("out_dtype is ", sdk::dtype_name(p.out_dtype), ", wanted the q_dtype ",
                                        sdk::dtype_name(p.q_dtype)));
  // Which caches of 8 bits there are is the sheet's affair.
  if (p.kv_dtype != p.q_dtype && sdk::dtype_bytes(p.kv_dtype) > 1)
    diag.add(ATTNRT_WHY_KV_CACHE_DTYPE, sdk::say("kv_dtype is ", sdk::dtype_name(p.kv_dtype), ", wanted the q_dtype ",
                                                 sdk::dtype_name(p.q_dtype), " where a number has 16 bits or more"));
  if (p.kv_dtype == p.q_dtype && (p.features & (ATTNRT_FEATURE_KV_SCALES | ATTNRT_FEATURE_PER_HEAD_SCALES)))
    diag.add(ATTNRT_WHY_KV_CACHE_DTYPE,
             sdk::say("kv_dtype is ", sdk::dtype_name(p.kv_dtype), ", wanted fp8_e4m3 where there are scales"));
  if (p.num_heads > 65535)
    diag.add(ATTNRT_WHY_OTHER, sdk::say("num_heads is ", p.num_heads, ", wanted at most 65535, the rows of a grid"));
}

void refuse_kernel(const attnrt_problem& p, const char* kernel, const sdk::Diag& diag) {
  diag.add(ATTNRT_WHY_OTHER, sdk::say("no kernel ", kernel, " was compiled for q ", sdk::dtype_name(p.q_dtype),
                                      ", cache ", sdk::dtype_name(p.kv_dtype), ", head sizes ", p.head_size_qk, " and ",
                                      p.head_size_v, " on compute capability ", p.arch / 10, ".", p.arch % 10));
}

const gpu::KernelImage* find_row_kernel(const gpu::KernelTable& table, const char* kernel, const attnrt_problem& p,
                                        uint32_t arch) {
  return table.find({kernel, arch, static_cast<int32_t>(p.q_dtype), -1, -1, 0, 0, 0, -1});
}

CacheOp::CacheOp(const sdk::CreateInfo& info, const gpu::KernelTable& table)
    : problem_(info.problem), device_(gpu::Device::open(info.device)) {
  const uint32_t arch = device_.arch();
  if (arch != problem_.arch)
    throw sdk::Error(ATTNRT_UNAVAILABLE,
                     sdk::say("CUDA's device ", info.device.id, " has compute capability ", arch / 10, ".", arch % 10,
                              ", wanted the problem's ", problem_.arch / 10, ".", problem_.arch % 10,
                              "; where devices differ CUDA_DEVICE_ORDER=PCI_BUS_ID keeps their order"));
  if (sdk::is_paged(problem_.kv_layouts))  // it copies rows of any dtype
    write_kv_ = {device_, table.find({"write_kv", arch, -1, -1, -1, 0, 0, 0, -1}), "write_kv", kWriteKvMembers};
  if (problem_.features & ATTNRT_FEATURE_LSE)
    merge_states_ = {device_, find_row_kernel(table, "merge_states", problem_, arch), "merge_states",
                     kMergeStatesMembers};
}

bool CacheOp::writes_pairs(const attnrt_tensor* out) {
  return pointer(out) % 4 == 0 && out->strides[0] % 2 == 0 && out->strides[1] % 2 == 0;
}

attnrt_workspace CacheOp::workspace_of(const attnrt_limits& limits, uint64_t scratch_bytes) const {
  constexpr uint64_t most = uint64_t{1} << 32;  // of a key's number times a block's size, both in sixteens
  if (sdk::is_paged(problem_.kv_layouts) &&
      static_cast<uint64_t>(limits.max_seq_len) / 16 * (problem_.block_size / 16) >= most)
    throw sdk::Error(ATTNRT_UNSUPPORTED, sdk::say("limits.max_seq_len is ", limits.max_seq_len, " with block_size ",
                                                  problem_.block_size, ", wanted a product below ", most * 256));
  attnrt_workspace w{};
  w.struct_size = sizeof w;
  w.plan_bytes = gpu::BatchBuffers(limits, 0).bytes();
  w.plan_alignment = w.scratch_alignment = gpu::BatchBuffers::kAlignment;
  w.pinned_alignment = 1;
  w.scratch_bytes = scratch_bytes;
  return w;
}

void CacheOp::set_rank(AttentionArguments& a) const {
  a.cp_size = static_cast<int32_t>(std::max(problem_.cp_size, 1u));
  a.cp_rank = static_cast<int32_t>(problem_.cp_rank);
  a.cp_interleave = static_cast<int32_t>(std::max(problem_.cp_interleave, 1u));
}

void CacheOp::merge_splits(const gpu::Launcher& launcher, const AttentionArguments& a, uint32_t pitch, int32_t tokens,
                           attnrt_stream stream) const {
  MergeSplitsArguments m{};
  m.out_ptr = a.out_ptr;
  m.lse_ptr = a.lse_ptr;
  m.partial_ptr = a.partial_ptr;
  m.partial_lse_ptr = a.partial_lse_ptr;
  m.query_start_loc_ptr = a.query_start_loc_ptr;
  m.num_seqs_ptr = a.num_seqs_ptr;
  m.sinks_ptr = a.sinks_ptr;
  m.flags = a.flags & (kSinks | kSinksQDtype | kLse | kAlignedOut);
  m.num_heads = a.num_heads;
  m.head_size_v = a.head_size_v;
  m.pitch = static_cast<int32_t>(pitch);
  m.num_splits = a.num_splits;
  m.out_stride_token = a.out_stride_token;
  m.out_stride_head = a.out_stride_head;
  m.lse_stride_token = a.lse_stride_token;
  m.lse_stride_head = a.lse_stride_head;
  launcher.launch(device_.driver(), {static_cast<uint32_t>(tokens), problem_.num_heads, 1}, &m, device_stream(stream));
}

void CacheOp::write_kv(const attnrt_write_args& args, attnrt_stream stream) const {
  const bool mla = problem_.family == ATTNRT_FAMILY_MLA;  // the rope part lies behind the latent one
  const attnrt_tensor &k = *args.k, &v = *args.v, &k_cache = *args.k_cache;
  const attnrt_tensor& v_cache = mla ? k_cache : *args.v_cache;
  const attnrt_tensor* const v_scale = mla ? args.k_scale : args.v_scale;
  if (k.dtype.code != v.dtype.code || k.dtype.bits != v.dtype.bits)
    throw sdk::Error(ATTNRT_INVALID, "write_kv: k and v are of two dtypes, wanted one");
  const bool converts = sdk::dtype_of(k.dtype) != static_cast<int>(problem_.kv_dtype);
  const int32_t bytes = static_cast<int32_t>(sdk::dtype_bytes(problem_.kv_dtype));
  WriteKvArguments a{};
  a.k_ptr = pointer(&k);
  a.v_ptr = pointer(&v);
  a.slot_mapping_ptr = pointer(args.slot_mapping);
  a.k_cache_ptr = pointer(&k_cache);
  a.v_cache_ptr = pointer(&v_cache) + (mla ? problem_.mla_kv_lora * sdk::dtype_bytes(problem_.kv_dtype) : 0);
  a.k_scale_ptr = pointer(args.k_scale);
  a.v_scale_ptr = pointer(v_scale);
  a.flags = converts ? kCacheFp8 | (args.k_scale ? kKScale : 0) | (v_scale ? kVScale : 0) |
                           (problem_.q_dtype == ATTNRT_BF16 ? kRowsBf16 : 0)
                     : 0;
  a.head_size_qk = static_cast<int32_t>(mla ? problem_.mla_kv_lora : problem_.head_size_qk);
  a.head_size_v = static_cast<int32_t>(mla ? problem_.mla_rope : problem_.head_size_v);
  const int32_t sixteen = 16 / bytes;
  if (aligned(&k, sixteen) && aligned(&v, sixteen) && aligned(&k_cache, sixteen) && aligned(&v_cache, sixteen) &&
      a.head_size_qk % sixteen == 0 && a.head_size_v % sixteen == 0)
    a.flags |= kAligned;
  a.num_tokens = static_cast<int32_t>(args.slot_mapping->shape[0]);
  a.block_size = static_cast<int32_t>(problem_.block_size);
  a.element_bytes = bytes;
  a.k_stride_token = k.strides[0];
  a.k_stride_head = k.strides[1];
  a.v_stride_token = v.strides[0];
  a.v_stride_head = v.strides[1];
  a.k_cache_stride_block = k_cache.strides[0];
  a.k_cache_stride_slot = k_cache.strides[1];
  a.k_cache_stride_head = k_cache.strides[2];
  a.v_cache_stride_block = v_cache.strides[0];
  a.v_cache_stride_slot = v_cache.strides[1];
  a.v_cache_stride_head = v_cache.strides[2];
  a.slot_stride = args.slot_mapping->strides[0];
  a.k_scale_stride_head = step(args.k_scale, 0);
  a.v_scale_stride_head = step(v_scale, 0);
  write_kv_.launch(device_.driver(), {static_cast<uint32_t>(a.num_tokens), problem_.num_kv_heads, 1}, &a,
                   device_stream(stream));
}

void CacheOp::merge_states(const attnrt_merge_args& args, attnrt_stream stream) const {
  want_absent("merge_states", "out_scale", args.out_scale);
  if (!merge_states_.loaded())
    throw sdk::Error(ATTNRT_UNSUPPORTED, "merge_states: the op was created without the feature LSE, wanted it");
  if (args.num_partials > kMostPartials)
    throw sdk::Error(ATTNRT_UNSUPPORTED,
                     sdk::say("merge_states: num_partials is ", args.num_partials, ", wanted at most ", kMostPartials));
  MergeStatesArguments a{};
  a.out_ptr = pointer(args.out);
  a.lse_ptr = pointer(args.lse);
  a.flags = (args.lse ? kLse : 0) | (writes_pairs(args.out) ? kAlignedOut : 0);
  a.num_partials = args.num_partials;
  a.num_merged_tokens = static_cast<int32_t>(args.num_merged_tokens);
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
  if (first != static_cast<int>(problem_.out_dtype)) a.flags |= kPartialFp32;
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
  merge_states_.launch(device_.driver(), {static_cast<uint32_t>(args.num_tokens), problem_.num_heads, 1}, &a,
                       device_stream(stream));
}

}  // namespace attnrt::flash
