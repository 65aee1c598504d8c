// SPDX-License-Identifier: Apache-2.0
#include "digest.hpp"

#include <nettle/sha2.h>

#include <fstream>
#include <vector>

namespace attnrt::core {

std::string sha256_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return "";
  sha256_ctx context;
  sha256_init(&context);
  std::vector<char> buffer(1 << 16);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0)
    sha256_update(&context, static_cast<std::size_t>(in.gcount()), reinterpret_cast<const uint8_t*>(buffer.data()));
  uint8_t digest[SHA256_DIGEST_SIZE];
  sha256_digest(&context, sizeof digest, digest);
  std::string out = "sha256:";
  for (const uint8_t byte : digest) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

}  // namespace attnrt::core
