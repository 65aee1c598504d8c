// SPDX-License-Identifier: Apache-2.0
#include "digest.hpp"

#include <nettle/sha2.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace attnrt::core {

std::string sha256_of(int descriptor) {
  sha256_ctx context;
  sha256_init(&context);
  std::vector<uint8_t> buffer(1 << 16);
  for (off_t at = 0;;) {
    const ssize_t got = pread(descriptor, buffer.data(), buffer.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return "";
    if (got == 0) break;
    sha256_update(&context, static_cast<std::size_t>(got), buffer.data());
    at += got;
  }
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
