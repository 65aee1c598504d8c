// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_EMULATOR_SHA256_HPP
#define ATTNRT_EMULATOR_SHA256_HPP
#include <cstddef>
#include <string>

namespace attnrt::emulator {

/// SHA-256 (FIPS 180-4), in hexadecimal.
std::string sha256(const void* data, std::size_t bytes);

}  // namespace attnrt::emulator
#endif
