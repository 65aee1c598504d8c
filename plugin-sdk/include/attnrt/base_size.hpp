// SPDX-License-Identifier: Apache-2.0
//
// attnrt/base_size.hpp: how much of a struct every object of this ABI major has, whatever minor it was built with. A
// reader demands base_size<T> bytes and no more, copies what is there, and asks ATTNRT_HAS before it uses a field that
// a later minor appended. Header-only, C++17.
#ifndef ATTNRT_BASE_SIZE_HPP
#define ATTNRT_BASE_SIZE_HPP
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "attnrt/plugin.h"

namespace attnrt::sdk {

/// Bytes of T in the first minor of this major; not defined for structs without struct_size, which never grow.
template <class T>
inline constexpr uint32_t base_size = T::has_no_line_in_base_size_hpp;

// Each struct with the last field that it had in the first minor.
#define ATTNRT_BASE_(type, last)                                                                            \
  template <>                                                                                               \
  inline constexpr uint32_t base_size<type> = offsetof(type, last) + sizeof(type::last);                    \
  static_assert(ATTNRT_ABI_MINOR != 0 || base_size<type> == sizeof(type), "wanted: " #type "'s last field")
ATTNRT_BASE_(attnrt_diag, add);
ATTNRT_BASE_(attnrt_problem, device_id);
ATTNRT_BASE_(attnrt_flex_program, bytes);
ATTNRT_BASE_(attnrt_flex_buffers, host);
ATTNRT_BASE_(attnrt_sizes, preferred);
ATTNRT_BASE_(attnrt_caps, impl);
ATTNRT_BASE_(attnrt_kv_layout, dtype);
ATTNRT_BASE_(attnrt_executor, parallel_for);
ATTNRT_BASE_(attnrt_host, extension);
ATTNRT_BASE_(attnrt_limits, num_sms);
ATTNRT_BASE_(attnrt_workspace, scratch_alignment);
ATTNRT_BASE_(attnrt_memory, scratch_bytes);
ATTNRT_BASE_(attnrt_batch, common_prefix_len);
ATTNRT_BASE_(attnrt_block_sparse, reserved);
ATTNRT_BASE_(attnrt_run_args, flex);
ATTNRT_BASE_(attnrt_write_args, v_scale);
ATTNRT_BASE_(attnrt_gather_args, v_scale);
ATTNRT_BASE_(attnrt_merge_args, num_merged_tokens);
ATTNRT_BASE_(attnrt_variant, merge_states);
ATTNRT_BASE_(attnrt_backend, variants);
ATTNRT_BASE_(attnrt_plugin, extension);
ATTNRT_BASE_(attnrt_note, version);
#undef ATTNRT_BASE_

/// Copies a struct whose owner may know a shorter or longer form of it (at least base_size); what it lacks is 0.
template <class T>
void take(const T& from, T& to) {
  to = T{};
  std::memcpy(&to, &from, std::min<std::size_t>(from.struct_size, sizeof(T)));
  to.struct_size = sizeof(T);
}

/// Writes an answer into a struct whose owner may know a shorter or longer form of it; its struct_size stays the
/// owner's.
template <class T>
void give(T answer, T* to) {
  answer.struct_size = to->struct_size;
  std::memcpy(to, &answer, std::min<std::size_t>(to->struct_size, sizeof(T)));
}

}  // namespace attnrt::sdk
#endif
