// SPDX-License-Identifier: Apache-2.0
#include "file_text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "descriptor.hpp"

namespace attnrt::core {

std::optional<std::string> read_text(const std::filesystem::path& file) {
  const Descriptor from(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!from) return std::nullopt;
  std::string out;
  for (char buffer[1 << 14];;) {
    const ssize_t got = read(from.get(), buffer, sizeof buffer);
    if (got == 0) return out;
    if (got > 0)
      out.append(buffer, static_cast<std::size_t>(got));
    else if (errno != EINTR)
      return std::nullopt;
  }
}

}  // namespace attnrt::core
