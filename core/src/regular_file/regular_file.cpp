// SPDX-License-Identifier: Apache-2.0
#include "regular_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "../descriptor.hpp"

namespace attnrt::core {

Result<std::string> read_regular_file(int descriptor, const std::string& name, uint64_t limit) {
  struct stat info {};
  if (fstat(descriptor, &info) != 0) return invalid(name + " cannot be read: " + std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return invalid(name + " is not a regular file");
  const auto too_large = [&](uint64_t size) {
    return invalid(name + " has " + std::to_string(size) + " bytes, wanted at most " + std::to_string(limit));
  };
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size > limit) return too_large(size);
  std::string bytes(size + 1, '\0');  // one more, which tells a file that grows meanwhile
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = pread(descriptor, bytes.data() + have, bytes.size() - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return invalid(name + " cannot be read: " + std::strerror(errno));
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
    if (have > limit) return too_large(have);
    if (have == bytes.size()) bytes.resize(2 * bytes.size());
  }
  bytes.resize(have);
  return bytes;
}

Result<std::string> read_regular_file(const std::filesystem::path& file, uint64_t limit) {
  const Descriptor opened(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!opened) return invalid(file.string() + " cannot be read: " + std::strerror(errno));
  return read_regular_file(opened.get(), file.string(), limit);
}

}  // namespace attnrt::core
