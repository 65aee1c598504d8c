// SPDX-License-Identifier: Apache-2.0
#include "mirror.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "conformance/gpu_memory.hpp"
#include "conformance/system_driver.hpp"
#include "failure.hpp"

namespace attnrt::cli {
namespace {

/// The memory of a device, opened once. It is never closed: the driver may be gone when the process ends.
conformance::Memory& memory_of(attnrt_device device) {
  static std::map<std::pair<int32_t, int32_t>, conformance::GpuMemory*> open;
  conformance::GpuMemory*& memory = open[{device.type, device.id}];
  if (memory) return *memory;
  std::string why;
  const sdk::GpuDriver* const driver = conformance::system_driver(device.type, why);
  if (!driver) throw Failure("the device's memory cannot be had: " + why, kCheckFailed);
  auto made = std::make_unique<conformance::GpuMemory>(*driver, device.id, false);
  if (why = made->trouble(); !why.empty()) throw Failure("the device's memory cannot be had: " + why, kCheckFailed);
  return *(memory = made.release());
}

/// From the first to the last byte that a view reaches.
std::size_t bytes_of(const attnrt_tensor& tensor) {
  int64_t last = 0;
  for (int32_t i = 0; i < tensor.ndim; ++i) {
    if (tensor.shape[i] == 0) return 0;
    last += (tensor.shape[i] - 1) * tensor.strides[i];
  }
  return static_cast<std::size_t>(last + 1) * ((tensor.dtype.bits * tensor.dtype.lanes + 7u) / 8u);
}

}  // namespace

void want_device_here(const attnrt_problem& problem, const std::string& said) {
  if (problem.device_type != ATTNRT_DEVICE_CPU && problem.device_id < 0)
    throw Failure(
        fmt::format("--device is '{}', wanted a device that is in this machine, such as cpu or cuda:0", said));
}

Mirror::Mirror(const attnrt_problem& problem, const attnrt_executor* pool) : pool_(pool) {
  if (problem.device_type == ATTNRT_DEVICE_CPU) return;
  memory_ = &memory_of({problem.device_type, problem.device_id});
}
Mirror::Mirror(const Mirror* base) : base_(base), pool_(base->pool_), memory_(base->memory_) {}
Mirror::~Mirror() {
  for (std::byte* piece : pieces_) memory_->release(piece);
  for (void* piece : pinned_) memory_->pinned().release(piece);
}

attnrt_stream Mirror::stream() const { return memory_ ? memory_->stream() : pool_; }

const std::byte* Mirror::found(const std::byte* host, std::size_t bytes) const {
  if (auto next = copies_.upper_bound(host); next != copies_.begin()) {
    const auto& [begin, copy] = *--next;
    const auto offset = static_cast<std::size_t>(host - begin);
    if (offset + bytes <= copy.bytes) return copy.data + offset;
  }
  return base_ ? base_->found(host, bytes) : nullptr;
}

std::byte* Mirror::allocate(std::size_t bytes, std::size_t alignment) {
  auto* data = static_cast<std::byte*>(memory_->allocate(bytes, alignment));
  if (!data)
    throw Failure(
        fmt::format("the memory of the device is not enough for {} bytes more, wanted less to compute", bytes),
        kCheckFailed);
  pieces_.push_back(data);
  return data;
}

const void* Mirror::of(const void* host, std::size_t bytes) {
  if (!memory_ || !host) return host;
  const auto* begin = static_cast<const std::byte*>(host);
  if (const std::byte* data = found(begin, bytes)) return data;
  std::byte* const data = allocate(std::max<std::size_t>(bytes, 1), 256);
  memory_->copy_in(data, host, bytes);
  copies_[begin] = {bytes, data};
  return data;
}

const attnrt_tensor* Mirror::of(const attnrt_tensor* tensor) {
  if (!memory_ || !tensor) return tensor;
  const void* const data = of(tensor->data, bytes_of(*tensor));
  const auto list = [tensor](const int64_t* values) { return std::vector<int64_t>(values, values + tensor->ndim); };
  return tensors_.emplace_back(data, tensor->dtype, list(tensor->shape), list(tensor->strides), memory_->device())
      .get();
}

attnrt_batch Mirror::of(attnrt_batch batch) {
  const auto place = [this](auto*& list, int64_t count) {
    using Element = std::remove_reference_t<decltype(*list)>;
    list = static_cast<Element*>(of(list, static_cast<std::size_t>(count) * sizeof(Element)));
  };
  const int64_t requests = batch.num_seqs;
  place(batch.query_start_loc, requests + 1);
  place(batch.seq_lens, requests);
  place(batch.kv_start_loc, requests + 1);
  place(batch.kv_lens, requests);
  place(batch.causal, requests);
  place(batch.window_prefix_lens, requests);
  place(batch.block_table, requests == 0 ? 0 : (requests - 1) * batch.block_table_stride + batch.block_table_width);
  return batch;
}

attnrt_write_args Mirror::of(attnrt_write_args args) {
  for (const auto member :
       {&attnrt_write_args::k_cache, &attnrt_write_args::v_cache, &attnrt_write_args::k, &attnrt_write_args::v,
        &attnrt_write_args::slot_mapping, &attnrt_write_args::k_scale, &attnrt_write_args::v_scale})
    args.*member = of(args.*member);
  return args;
}

attnrt_run_args Mirror::of(attnrt_run_args args) {
  for (const auto member : {&attnrt_run_args::k_cache, &attnrt_run_args::v_cache, &attnrt_run_args::q,
                            &attnrt_run_args::k, &attnrt_run_args::v, &attnrt_run_args::out, &attnrt_run_args::lse,
                            &attnrt_run_args::k_scale, &attnrt_run_args::v_scale, &attnrt_run_args::sinks,
                            &attnrt_run_args::alibi_slopes, &attnrt_run_args::dense_mask})
    args.*member = of(args.*member);
  return args;
}

Plan Mirror::plan(const Op& op, const attnrt_limits& limits) {
  if (!memory_) return op.plan(limits);
  const attnrt_workspace sizes = op.workspace(limits);
  auto memory = sized<attnrt_memory>();
  const auto piece = [&](uint64_t bytes, uint64_t alignment) -> void* {
    return bytes ? allocate(bytes, std::max<uint64_t>(alignment, 256)) : nullptr;
  };
  memory.plan = piece(memory.plan_bytes = sizes.plan_bytes, sizes.plan_alignment);
  if (sizes.zero_init && memory.plan) memory_->fill(memory.plan, 0, sizes.plan_bytes);
  memory.scratch = piece(memory.scratch_bytes = sizes.scratch_bytes, sizes.scratch_alignment);
  if ((memory.pinned_bytes = sizes.pinned_bytes)) {
    memory.pinned = memory_->pinned().allocate(sizes.pinned_bytes, std::max<uint64_t>(sizes.pinned_alignment, 64));
    if (!memory.pinned) throw Failure("there is no page-locked memory for a plan", kCheckFailed);
    pinned_.push_back(memory.pinned);
  }
  return op.plan(limits, &memory);
}

void Mirror::finish() const {
  if (!memory_) return;
  memory_->finish(memory_->stream());
  if (const std::string trouble = memory_->trouble(); !trouble.empty())
    throw Failure("the device: " + trouble, kCheckFailed);
}

void Mirror::fetch(void* host) const {
  if (!memory_) return;
  for (const Mirror* mirror = this; mirror; mirror = mirror->base_)
    if (const auto copy = mirror->copies_.find(static_cast<std::byte*>(host)); copy != mirror->copies_.end())
      return memory_->copy_out(host, copy->second.data, copy->second.bytes);
}

}  // namespace attnrt::cli
