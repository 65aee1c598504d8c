// SPDX-License-Identifier: Apache-2.0
//
// amx.hpp: attention whose products are AMX's, which the system permits a process that asks for them.
#ifndef ATTNRT_CPU_ATTN_AMX_HPP
#define ATTNRT_CPU_ATTN_AMX_HPP
#include <string>
#include <utility>

#include "attnrt/amx.hpp"
#include "standard.hpp"

namespace attnrt::cpu {

/// Kernel: an op over amx_bf16_attention.
template <class Kernel>
class Amx : public Kernel {
 public:
  /// Asks first. Throws UNAVAILABLE where the system permits no tile data.
  explicit Amx(const sdk::CreateInfo& info) : Kernel(permitted(info)) {}

 private:
  static const sdk::CreateInfo& permitted(const sdk::CreateInfo& info) {
    if (std::string refused = sdk::request_amx(); !refused.empty())
      throw sdk::Error(ATTNRT_UNAVAILABLE, std::move(refused));
    return info;
  }
};

}  // namespace attnrt::cpu
#endif
