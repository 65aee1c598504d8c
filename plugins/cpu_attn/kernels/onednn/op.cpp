// SPDX-License-Identifier: Apache-2.0
#include "op.hpp"

#include "scratch.hpp"

namespace attnrt::cpu {
namespace {

/// bf16 is multiplied as it is where that is one instruction, else as fp32. Throws UNAVAILABLE.
bool multiplies_bf16(const attnrt_problem& p) {
  const OnednnLibrary& library = onednn_library();
  if (!library.uses(dnnl_cpu_isa_avx512_core))
    throw sdk::Error(ATTNRT_UNAVAILABLE,
                     "onednn is unavailable: DNNL_MAX_CPU_ISA forbids AVX-512, wanted avx512_core or more");
  return p.q_dtype == ATTNRT_BF16 && (p.isa & ATTNRT_ISA_AVX512_BF16) && library.uses(dnnl_cpu_isa_avx512_core_bf16);
}

TileShape tile_of(const AttentionShape& shape, bool bf16) {
  return {shape.tile_keys, shape.head_size_qk, shape.head_size_v, kernel::portable::OnednnScratch(nullptr, shape).width,
          bf16};
}

}  // namespace

Onednn::Onednn(const sdk::CreateInfo& info) : Onednn(info, multiplies_bf16(info.problem)) {}

Onednn::Onednn(const sdk::CreateInfo& info, bool bf16)
    : StandardOp(info, bf16 ? onednn_bf16_attention() : onednn_attention()),
      matmuls_(tile_of(shape_, bf16)),
      scratchpad_at_(worker_bytes_) {
  worker_bytes_ += matmuls_.scratchpad_bytes();
}

Onednn::Plan::Plan(const Onednn& op, const attnrt_limits& limits, const attnrt_memory& memory)
    : AttentionOp::Plan(op, limits, memory), workers_(static_cast<const std::byte*>(memory.scratch), op.worker_bytes_) {
  for (uint32_t worker = 0; worker < limits.num_workers; ++worker) {
    std::byte* scratch = static_cast<std::byte*>(memory.scratch) + worker * op.worker_bytes_;
    const kernel::portable::OnednnScratch at(scratch, op.shape_);
    workers_.add(op.matmuls_, {at.q, at.k, at.v, at.softmax.scores, at.softmax.part.acc, scratch + op.scratchpad_at_});
  }
}

void Onednn::run(const Plan& plan, const attnrt_run_args& args, attnrt_stream stream) const {
  StandardOp::run(plan, args, stream, &plan.workers_);
  if (const int failed = plan.workers_.take_failure())
    throw sdk::Error(ATTNRT_FAILED, sdk::say("run: oneDNN's matmul answered ", failed, ", wanted 0"));
}

}  // namespace attnrt::cpu
