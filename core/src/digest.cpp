// SPDX-License-Identifier: Apache-2.0
#include "digest.hpp"

#include <nettle/sha2.h>

#include "file_text.hpp"

namespace attnrt::core {

std::string sha256_of(const std::filesystem::path& file) {
  sha256_ctx context;
  sha256_init(&context);
  const bool whole = read_pieces(file, [&context](std::string_view piece) {
    sha256_update(&context, piece.size(), reinterpret_cast<const uint8_t*>(piece.data()));
  });
  if (!whole) return "";
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
