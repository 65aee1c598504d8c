// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>

#include "attnrt/plugin.h"
#include "device.hpp"
#include "json_reader.hpp"

namespace attnrt::core {

/// When a rule's list holds; what is not given matches everything.
struct When {
  enum class Family { any, standard, mla, mla_prefill };
  std::optional<int32_t> device_type;
  uint32_t arch_min = 0, arch_max = UINT32_MAX;
  Family family = Family::any;
  std::optional<uint32_t> phase;
  std::optional<bool> causal;
  uint32_t kv_dtypes = 0;  ///< mask of (1 << dtype), 0 = any
  uint32_t heads_min = 0, heads_max = UINT32_MAX;
  uint64_t features = 0;  ///< all of these are required by the problem
  uint64_t isa = 0;       ///< the CPU has all of these
  CpuVendor cpu_vendor = CpuVendor::any;

  bool operator==(const When&) const = default;
  /// `machine`: who made this machine's CPU, which stands for that of a CPU that is asked about without its maker.
  bool holds(const attnrt_problem& problem, CpuVendor machine) const;
};

/// Reads the object `when`; the reader keeps the first fault.
When read_when(const JsonReader& in);

}  // namespace attnrt::core
