// SPDX-License-Identifier: Apache-2.0
//
// attnrt/check/scale.hpp: the scales of 8-bit tensors. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_CHECK_SCALE_HPP
#define ATTNRT_CHECK_SCALE_HPP
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "attnrt/check/tensor.hpp"

namespace attnrt::sdk {
namespace detail {

/// Scales change results: they need the feature bit that tells of them.
struct Scale {
  const char* name;
  const attnrt_tensor* tensor;
  uint64_t bits = ATTNRT_FEATURE_KV_SCALES | ATTNRT_FEATURE_PER_HEAD_SCALES;
};
inline bool check_scales(const Diag& diag, const attnrt_problem& p, std::initializer_list<Scale> scales) {
  for (const Scale& scale : scales)
    if (scale.tensor && !(p.features & scale.bits))
      return diag.fail(say(scale.name, " is given, wanted NULL: its feature bit is not in the problem"));
  return true;
}

/// Scales that the CPU can read: a 0 loses every value, NaN and infinity spoil every one.
inline bool check_scale_values(const Diag& diag, const char* name, const attnrt_tensor& scale) {
  if (scale.device.type != ATTNRT_DEVICE_CPU) return true;
  const char* data = static_cast<const char*>(scale.data) + scale.byte_offset;
  const int64_t columns = scale.ndim == 2 ? scale.shape[1] : 1;
  for (int64_t i = 0; i < scale.shape[0]; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      float value;
      const int64_t at = i * scale.strides[0] + (scale.ndim == 2 ? j * scale.strides[1] : 0);
      std::memcpy(&value, data + at * static_cast<int64_t>(sizeof value), sizeof value);
      if (std::isfinite(value) && value != 0.0f) continue;
      return diag.fail(say(name, "[", i, scale.ndim == 2 ? say("][", j) : "", "] is ", value,
                           ", wanted a finite number other than 0: 1 where values are stored as they are"));
    }
  return true;
}

/// Scales of a run: one, or one for each request and, with PER_HEAD_SCALES, each KV head.
inline bool check_run_scale(const Diag& diag, const attnrt_problem& p, int32_t num_seqs, const char* name,
                            const attnrt_tensor* scale) {
  if (!scale) return true;
  if (!check_tensor(diag, p.device_type, {name, scale, only(ATTNRT_FP32), 2, {-1, -1, 0, 0}})) return false;
  const int64_t heads = p.features & ATTNRT_FEATURE_PER_HEAD_SCALES ? p.num_kv_heads : 1;
  if (scale->shape[0] != 1 && scale->shape[0] < num_seqs)
    return diag.fail(say(name, ".shape[0] is ", scale->shape[0], ", wanted 1 or the ", num_seqs, " requests"));
  if (scale->shape[1] != 1 && scale->shape[1] != heads)
    return diag.fail(say(name, ".shape[1] is ", scale->shape[1], ", wanted ", heads == 1 ? "1" : say("1 or ", heads)));
  return check_scale_values(diag, name, *scale);
}

/// Scales of a cache write or read-out: one, with PER_HEAD_SCALES one or one a KV head.
inline bool check_cache_scale(const Diag& diag, const attnrt_problem& p, const char* name, const attnrt_tensor* scale) {
  if (!scale) return true;
  if (!check_tensor(diag, p.device_type, {name, scale, only(ATTNRT_FP32), 1, {-1, 0, 0, 0}})) return false;
  const int64_t heads = p.features & ATTNRT_FEATURE_PER_HEAD_SCALES ? p.num_kv_heads : 1;
  if (scale->shape[0] == 1 || scale->shape[0] == heads) return check_scale_values(diag, name, *scale);
  return diag.fail(say(name, ".shape[0] is ", scale->shape[0], ", wanted ", heads == 1 ? "1" : say("1 or ", heads)));
}

}  // namespace detail
}  // namespace attnrt::sdk
#endif
