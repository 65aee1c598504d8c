// SPDX-License-Identifier: Apache-2.0
//
// What an engine brings: a problem, its host's table, a batch in the device's memory.
#ifndef ATTNRT_TESTS_GPU_ENGINE_BATCH_HPP
#define ATTNRT_TESTS_GPU_ENGINE_BATCH_HPP
#include <memory>
#include <utility>
#include <vector>

#include "conformance/gpu_memory.hpp"
#include "conformance/launch.hpp"
#include "conformance/request.hpp"
#include "emulated_plugin.hpp"

namespace attnrt::emulated {

/// Causal attention of 8 query heads on 2 KV heads of 64, bf16, in a cache of 16 tokens a block.
inline attnrt_problem standard_problem(uint32_t phase, uint32_t determinism = ATTNRT_DETERMINISM_NONE) {
  attnrt_problem p = conformance::empty_problem(0);
  p.device_type = ATTNRT_DEVICE_CUDA;
  p.arch = 90;
  p.family = ATTNRT_FAMILY_STANDARD;
  p.features = ATTNRT_FEATURE_CAUSAL | ATTNRT_FEATURE_LSE;
  p.attn_type = ATTNRT_ATTN_DECODER;
  p.phase = phase;
  p.q_dtype = p.kv_dtype = p.out_dtype = ATTNRT_BF16;
  p.kv_layouts = ATTNRT_KV_NHD;
  p.block_size = 16;
  p.num_heads = 8;
  p.num_kv_heads = 2;
  p.head_size_qk = p.head_size_v = 64;
  p.causal = ATTNRT_CAUSAL_ALWAYS;
  p.determinism = determinism;
  return p;
}
/// The same of latent rows of 512 + 64 numbers, 16 heads.
inline attnrt_problem latent_problem(uint32_t determinism = ATTNRT_DETERMINISM_NONE) {
  attnrt_problem p = standard_problem(ATTNRT_PHASE_DECODE, determinism);
  p.family = ATTNRT_FAMILY_MLA;
  p.kv_layouts = ATTNRT_KV_MLA_LATENT;
  p.num_heads = 16;
  p.num_kv_heads = 1;
  p.head_size_qk = 576;
  p.head_size_v = 512;
  p.mla_kv_lora = 512;
  p.mla_nope = 128;
  p.mla_rope = 64;
  p.mla_v = 128;
  return p;
}

inline const attnrt_host& host() {
  static const attnrt_host host = {
      sizeof(attnrt_host), ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR, 0, nullptr, [](void*, int32_t, const char*) {}, nullptr};
  return host;
}

/// What create answers on a device; the op is destroyed again.
inline attnrt_status create(const attnrt_variant& v, const attnrt_problem& p, conformance::Sink& sink,
                            int32_t device = 0) {
  attnrt_kernel_op* op = nullptr;
  const attnrt_status status = v.create(&v, &host(), &p, {ATTNRT_DEVICE_CUDA, device}, &op, sink.get());
  if (op) v.destroy(op);
  return status;
}

/// A batch of requests, ready to run.
struct Batch {
  Batch(const conformance::Rig& rig, std::vector<conformance::Length> lengths, uint64_t seed = 1) {
    c.problem = rig.problem();
    c.lengths = std::move(lengths);
    c.seed = seed;
    c.lse = true;
    operands = conformance::make_operands(c);
    requests = conformance::make_requests(c, operands);
    for (const conformance::RequestData& r : requests) pointers.push_back(&r);
    launch = std::make_unique<conformance::Launch>(rig, operands, pointers, true, c.placement);
  }
  attnrt_status update(conformance::Sink& sink, attnrt_stream stream) const {
    return launch->rig().variant().plan_update(launch->plan(), &launch->batch(), stream, sink.get());
  }
  attnrt_status run(conformance::Sink& sink, attnrt_stream stream) const {
    return launch->rig().variant().run(launch->plan(), &launch->args(), stream, sink.get());
  }
  attnrt_status update(conformance::Sink& sink) const { return update(sink, launch->stream()); }
  attnrt_status run(conformance::Sink& sink) const { return run(sink, launch->stream()); }

  conformance::Case c;
  conformance::Operands operands;
  std::vector<conformance::RequestData> requests;
  std::vector<const conformance::RequestData*> pointers;
  std::unique_ptr<conformance::Launch> launch;
};

}  // namespace attnrt::emulated
#endif
