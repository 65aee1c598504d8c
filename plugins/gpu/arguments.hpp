// SPDX-License-Identifier: Apache-2.0
//
// arguments.hpp: the arguments of a kernel as the host sets them: a struct whose members have the names of the kernel's
// parameters, with a table of those names. A list macro gives both:
//     #define MY_ARGUMENTS(P, F, I, L) P(out_ptr) F(scale) I(num_heads) L(stride)
//     ATTNRT_GPU_ARGUMENTS(MyArguments, MY_ARGUMENTS, kMyMembers);
// P pointer, F fp32, I int32, L int64.
#ifndef ATTNRT_GPU_ARGUMENTS_HPP
#define ATTNRT_GPU_ARGUMENTS_HPP
#include <cstddef>
#include <cstdint>

namespace attnrt::gpu {

/// A member of the host's struct: its kernel name and what it is.
struct Member {
  const char* name;
  char type;  ///< p pointer, l int64, i int32, f fp32
  uint32_t offset;
};

constexpr uint32_t bytes_of(char type) { return type == 'p' || type == 'l' ? 8 : 4; }

#define ATTNRT_GPU_MEMBER_P_(name) uint64_t name;
#define ATTNRT_GPU_MEMBER_F_(name) float name;
#define ATTNRT_GPU_MEMBER_I_(name) int32_t name;
#define ATTNRT_GPU_MEMBER_L_(name) int64_t name;
#define ATTNRT_GPU_ENTRY_P_(name) {#name, 'p', offsetof(Self, name)},
#define ATTNRT_GPU_ENTRY_F_(name) {#name, 'f', offsetof(Self, name)},
#define ATTNRT_GPU_ENTRY_I_(name) {#name, 'i', offsetof(Self, name)},
#define ATTNRT_GPU_ENTRY_L_(name) {#name, 'l', offsetof(Self, name)},
#define ATTNRT_GPU_ARGUMENTS(Type, list, table)                                                          \
  struct Type {                                                                                          \
    list(ATTNRT_GPU_MEMBER_P_, ATTNRT_GPU_MEMBER_F_, ATTNRT_GPU_MEMBER_I_, ATTNRT_GPU_MEMBER_L_)         \
  };                                                                                                     \
  namespace detail {                                                                                     \
  struct Type##Table {                                                                                   \
    using Self = Type;                                                                                   \
    static constexpr ::attnrt::gpu::Member members[] = {                                                 \
        list(ATTNRT_GPU_ENTRY_P_, ATTNRT_GPU_ENTRY_F_, ATTNRT_GPU_ENTRY_I_, ATTNRT_GPU_ENTRY_L_)};       \
  };                                                                                                     \
  }                                                                                                      \
  inline constexpr const auto& table = detail::Type##Table::members

}  // namespace attnrt::gpu
#endif
