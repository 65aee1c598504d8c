// SPDX-License-Identifier: Apache-2.0
#include "conformance/availability.hpp"

#include "attnrt/say.hpp"
#include "conformance/rig.hpp"
#include "conformance/system_driver.hpp"

namespace attnrt::conformance {
namespace {

// Why a sheet's architectures leave out this one; "" where they do not.
std::string other_architecture(const attnrt_caps& caps, uint32_t arch) {
  std::string offered;
  for (uint32_t i = 0; i < caps.num_arch_ranges; ++i) {
    const uint32_t low = caps.arch_ranges[2 * i], high = caps.arch_ranges[2 * i + 1];
    if (arch >= low && arch <= high) return "";
    offered += (offered.empty() ? "" : ", ") + device_kind(caps.device_type, low);
    if (high != low) offered += high == UINT32_MAX ? " and above" : " to " + device_kind(caps.device_type, high);
  }
  if (offered.empty()) return "";
  return sdk::say("the device is ", device_kind(caps.device_type, arch), ", the variant's sheet wants ", offered);
}

}  // namespace

std::string unavailable_here(const attnrt_variant& variant, Memory& memory, const GridOptions& options) {
  if (std::string why = other_architecture(*variant.caps, options.arch); !why.empty()) return why;
  for (const Case& c : sample_cases(variant, options, 1)) {
    const Rig rig(variant, memory, c.problem);
    if (rig.status() == ATTNRT_UNAVAILABLE) return rig.faults()[0].sentence;
  }
  return "";
}

}  // namespace attnrt::conformance
