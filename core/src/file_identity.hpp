// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sys/stat.h>

#include <cstdint>
#include <string>

namespace attnrt::core {

/// What tells one state of a file from another without reading it: exchanging, patching or copying changes it.
struct FileIdentity {
  uint64_t device = 0, inode = 0, size = 0;
  int64_t modified_ns = 0, changed_ns = 0;

  static FileIdentity of(const struct stat& info) {
    const auto nanoseconds = [](const timespec& t) { return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; };
    return {uint64_t{info.st_dev}, uint64_t{info.st_ino}, static_cast<uint64_t>(info.st_size),
            nanoseconds(info.st_mtim), nanoseconds(info.st_ctim)};
  }
  bool operator==(const FileIdentity&) const = default;
  /// Without the device, whose number may differ after a restart.
  std::string text() const {
    return std::to_string(size) + "." + std::to_string(inode) + "." + std::to_string(modified_ns) + "." +
           std::to_string(changed_ns);
  }
};

}  // namespace attnrt::core
