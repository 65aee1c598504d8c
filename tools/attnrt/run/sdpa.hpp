// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_RUN_SDPA_HPP
#define ATTNRT_CLI_RUN_SDPA_HPP
#include "safetensors.hpp"

namespace attnrt::cli {

/// What four dimensions mean in PyTorch's scaled_dot_product_attention ([B, H, S, D]), or with heads second to last.
enum class FourDims { kBhsd, kBshd };

/// [B, H, S, D] or [B, S, H, D] to the packed [B * S, H, D].
Array pack(Array four, FourDims order);
/// The packed [B * S, H, D] back to four dimensions.
Array unpack(Array packed, int64_t batch, FourDims order);

}  // namespace attnrt::cli
#endif
