// SPDX-License-Identifier: Apache-2.0
#include "run/compute.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <tuple>

#include "attnrt/dtype.hpp"
#include "mirror.hpp"

namespace attnrt::cli {
namespace {

/// Cuts [num_blocks, Hkv, block_size, D] into more and smaller blocks.
Array cut_hnd(const Array& from, int64_t parts) {
  const Shape& s = from.shape;
  const int64_t slots = s[2] / parts;
  Array to{from.dtype, {s[0] * parts, s[1], slots, s[3]}, Bytes(from.data.size())};
  const std::size_t piece = static_cast<std::size_t>(slots * s[3]) * bytes_of(from.dtype);
  for (int64_t b = 0; b < s[0]; ++b)
    for (int64_t h = 0; h < s[1]; ++h)
      for (int64_t part = 0; part < parts; ++part)
        std::memcpy(to.data.data() + static_cast<std::size_t>((b * parts + part) * s[1] + h) * piece,
                    from.data.data() + static_cast<std::size_t>((b * s[1] + h) * parts + part) * piece, piece);
  return to;
}

/// Rewrites cache and table for kernel blocks that divide the file's. Slots keep their numbers.
void cut_blocks(RunFile& run, int64_t kernel_block) {
  const int64_t parts = run.block_size / kernel_block;
  if (parts <= 1) return;
  for (std::optional<Array>* cache : {&run.k_cache, &run.v_cache}) {
    if (!*cache) continue;
    Shape& shape = (*cache)->shape;
    if (run.hnd) {
      **cache = cut_hnd(**cache, parts);
    } else {
      shape[0] *= parts;
      shape[1] = kernel_block;
    }
  }
  std::vector<int32_t> table;
  for (const int32_t block : run.block_table)
    for (int64_t part = 0; part < parts; ++part)  // what was out of range stays out of range
      table.push_back(block < 0 ? block : static_cast<int32_t>(std::min<int64_t>(block * parts + part, INT32_MAX)));
  run.block_table = std::move(table);
  run.table_width *= parts;
  run.block_size = kernel_block;
}

/// The API's view of a cache, [num_blocks, block_size, Hkv, D] whatever the layout.
Tensor cache_view(const RunFile& run, const Array& cache) {
  const Shape& s = cache.shape;
  const attnrt_dtype dtype = dlpack_of(cache.dtype);
  const int64_t tail = run.row_tail;
  if (run.latent) return Tensor(cache.data.data(), dtype, {s[0], s[1], 1, s[2]});
  if (!run.hnd)
    return Tensor(cache.data.data(), dtype, {s[0], s[1], s[2], s[3] - tail},
                  {s[1] * s[2] * s[3], s[2] * s[3], s[3], 1});
  return Tensor(cache.data.data(), dtype, {s[0], s[2], s[1], s[3] - tail}, {s[1] * s[2] * s[3], s[3], s[2] * s[3], 1});
}

Tensor rows(const Array& array) {
  return Tensor(array.data.data(), dlpack_of(array.dtype), {array.shape[0], array.shape[1], array.shape[2]});
}

}  // namespace

attnrt_dtype dlpack_of(Dtype dtype) noexcept { return sdk::to_dlpack(element_of(dtype)); }

Computed unwritten(const RunFile& run, const attnrt_problem& problem) {
  Computed result;
  result.out = make_array(run.q.dtype, {run.num_tokens(), run.num_heads(), run.head_size_v}, 0xFF);
  if (problem.features & ATTNRT_FEATURE_LSE)
    result.lse = make_array(Dtype::F32, {run.num_tokens(), run.num_heads()}, 0xFF);
  return result;
}

double median_time(int64_t repeat, const std::function<void()>& once) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  for (int64_t i = 0; i < repeat; ++i) {
    const auto start = Clock::now();
    once();
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

Operands::Operands(const RunFile& run, attnrt_run_args& args) {
  const auto attach = [&run](const std::optional<Array>& array, Tensor& tensor, const attnrt_tensor*& operand) {
    if (!array) return;
    tensor = Tensor(array->as<float>(), {run.num_heads()});
    operand = tensor.get();
  };
  attach(run.sinks, sinks, args.sinks);
  attach(run.alibi_slopes, alibi_slopes, args.alibi_slopes);
  if (!run.attn_mask) return;
  const attnrt_dtype boolean{6, 8, 1};
  const Shape& s = run.attn_mask->shape;
  const Dtype dtype = run.attn_mask->dtype;
  attn_mask =
      Tensor(run.attn_mask->data.data(), dtype == Dtype::BOOL ? boolean : dlpack_of(dtype), {s[0], s[1], s[2], s[3]});
  args.dense_mask = attn_mask.get();
}

Computed compute(const Op& op, const Choice& choice, RunFile& run, float scale, const Effort& effort) {
  if (run.paged()) cut_blocks(run, choice.problem().block_size);
  Mirror device(choice.problem(), effort.pool);
  for (const std::optional<Array>* cache : {&run.k_cache, &run.v_cache})  // whole: rows may have scales behind them
    if (*cache) device.of((*cache)->data.data(), (*cache)->data.size());
  const attnrt_limits limits = limits_of(run, device.num_workers());
  Plan plan = device.plan(op, limits);
  attnrt_batch batch = batch_of(run, limits);
  batch.flex = run.flex.get();
  plan.update(device.of(batch), device.stream());

  Computed result = unwritten(run, choice.problem());
  const Tensor q = rows(run.q), out = rows(result.out);
  Tensor k, v, k_cache, v_cache, lse;
  auto args = sized<attnrt_run_args>();
  args.scale = scale;
  args.flex = choice.problem().features & ATTNRT_FEATURE_FLEX ? run.flex.get() : nullptr;
  args.q = q.get();
  args.out = out.get();
  if (result.lse) {
    lse = Tensor(result.lse->as<float>(), {run.num_tokens(), run.num_heads()});
    args.lse = lse.get();
  }
  if (run.k) {
    k = rows(*run.k);
    v = rows(*run.v);
  }
  if (run.paged()) {
    k_cache = cache_view(run, *run.k_cache);
    args.k_cache = k_cache.get();
    if (run.v_cache) {
      v_cache = cache_view(run, *run.v_cache);
      args.v_cache = v_cache.get();
    }
  } else {
    args.k = k.get();
    args.v = v.get();
  }
  Tensor k_scale, v_scale, k_scales, v_scales;  // of the write [1] or [Hkv], of the run [1, 1] or [1, Hkv]
  const std::tuple<std::optional<Array>*, Tensor*, Tensor*> parts[] = {{&run.k_scale, &k_scale, &k_scales},
                                                                       {&run.v_scale, &v_scale, &v_scales}};
  for (const auto& [from, one, two] : parts) {
    if (!*from) continue;
    const int64_t n = (*from)->shape[0];
    *one = Tensor((*from)->as<float>(), {n});
    *two = Tensor((*from)->as<float>(), {1, n});
  }
  if (run.k_scale) args.k_scale = k_scales.get();
  if (run.v_scale) args.v_scale = v_scales.get();
  if (run.slot_mapping) {
    const Tensor slots(run.slot_mapping->as<int64_t>(), {run.slot_mapping->shape[0]});
    auto write = sized<attnrt_write_args>();
    write.k = k.get();
    write.v = v.get();
    write.slot_mapping = slots.get();
    write.k_cache = args.k_cache;
    write.v_cache = args.v_cache;
    if (run.k_scale) write.k_scale = k_scale.get();
    if (run.v_scale) write.v_scale = v_scale.get();
    op.write_kv(device.of(write), device.stream());
  }
  const Operands operands(run, args);
  const attnrt_run_args placed = device.of(args);
  result.milliseconds = median_time(effort.repeat, [&] {
    plan.run(placed, device.stream());
    device.finish();
  });
  for (std::optional<Array>* cache : {&run.k_cache, &run.v_cache})  // with the rows that were written
    if (*cache) device.fetch((*cache)->data.data());
  device.fetch(result.out.data.data());
  if (result.lse) device.fetch(result.lse->data.data());
  return result;
}

}  // namespace attnrt::cli
