// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "options.hpp"
#include "result.hpp"

namespace attnrt::core {

/// The folder in which attnrt keeps what it learned across processes: verdicts, the local ledger, measured rankings. What
/// another user can have written is never read, and nothing is written through a link: the folder and its files belong to
/// the effective user and nobody else may write them, and so the way to them (see trust.hpp). Files are small regular
/// files, mode 0600, replaced by rename. [thread-safe]
class CacheFolder {
 public:
  /// The folder by option, else XDG_CACHE_HOME or HOME; none in a set-user-ID program.
  static std::filesystem::path place(const Options& options);

  /// Looks at the folder, which need not exist; an empty path is no folder.
  explicit CacheFolder(std::filesystem::path folder);

  bool usable() const noexcept { return !path_.empty() && refusal_.empty(); }
  const std::filesystem::path& path() const noexcept { return path_; }
  /// Why an existing folder is not used, in one sentence; "" = it is, or there is none.
  const std::string& refusal() const noexcept { return refusal_; }

  /// The bytes of a file; nothing where there is none or it is refused.
  std::optional<std::string> read(const std::string& name) const;
  /// Replaces a file by what `change` makes of its bytes, under a lock that other threads and processes respect and that
  /// no forked child keeps. Makes the folder. FAILED: the sentence says why; the file is as before. `change` does not
  /// throw anything but std::bad_alloc.
  Status rewrite(const std::string& name, const std::function<std::string(const std::optional<std::string>&)>& change) const;

 private:
  std::filesystem::path path_;
  std::string refusal_;
};

}  // namespace attnrt::core
