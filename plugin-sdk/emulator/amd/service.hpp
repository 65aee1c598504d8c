// SPDX-License-Identifier: Apache-2.0
//
// What compiled kernels call. Their code is a library of its own that links nothing: it reaches these functions by a
// table that it exports and that the driver fills. A change to the table changes the lowered text and so the name
// under which compiled kernels are kept.
#ifndef ATTNRT_EMULATOR_AMD_SERVICE_HPP
#define ATTNRT_EMULATOR_AMD_SERVICE_HPP
#include <cstdint>

namespace attnrt::emulator::amd {

struct Lane;

// X(name, result in C++, arguments in C++)
// `site` is an index into Kernel::sites. Pointers that are returned are the host's.
#define ATTNRT_AMD_SERVICES(X)                                                                                      \
  X(read_global, const char*, (Lane * lane, uint64_t address, uint32_t site))                                       \
  X(write_global, char*, (Lane * lane, uint64_t address, uint32_t site))                                            \
  X(read_lds, const char*, (Lane * lane, uint64_t address, uint32_t site))                                          \
  X(write_lds, void, (Lane * lane, uint64_t address, uint32_t site, const char* value))                             \
  X(read_constant, const char*, (Lane * lane, uint64_t address, uint32_t site))                                     \
  X(read_buffer, const char*, (Lane * lane, const char* resource, uint32_t offset, uint32_t scalar, uint32_t site)) \
  X(write_buffer, char*, (Lane * lane, const char* resource, uint32_t offset, uint32_t scalar, uint32_t site))      \
  X(divisor, int64_t, (Lane * lane, int64_t dividend, int64_t divisor, uint32_t site))                              \
  X(position, int64_t, (Lane * lane, uint32_t which))                                                               \
  X(exp2, float, (Lane * lane, float value))                                                                        \
  X(call, void, (Lane * lane, uint32_t site, const char* in, char* out))

enum class Service : uint32_t {
#define ATTNRT_AMD_SERVICE_(name, result, arguments) name,
  ATTNRT_AMD_SERVICES(ATTNRT_AMD_SERVICE_)
#undef ATTNRT_AMD_SERVICE_
      count
};

/// Where the operands of Service::call lie in its `in`: one every so many bytes.
constexpr uint32_t kOperandBytes = 64, kMostOperands = 9;
/// Where LDS begins among the addresses of compiled kernels. On a device it begins at 0, which here would be NULL.
constexpr uint64_t kLdsBase = uint64_t{1} << 20;
constexpr const char* kServiceTable = "attnrt_services";

/// What Service::position is asked for.
enum class Position : uint32_t { lane, group_x, group_y, group_z, implicit_arguments };

/// The functions, in the order of Service.
extern void* const service_table[static_cast<uint32_t>(Service::count)];

}  // namespace attnrt::emulator::amd
#endif
