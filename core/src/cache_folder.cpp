// SPDX-License-Identifier: Apache-2.0
#include "cache_folder.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "descriptor.hpp"
#include "fork.hpp"
#include "regular_file.hpp"
#include "trust.hpp"

namespace attnrt::core {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kMaxFileBytes = 16 << 20;
constexpr std::chrono::seconds kPatience{2};
using Clock = std::chrono::steady_clock;

std::string error_text() { return std::strerror(errno); }

/// Belongs to the effective user, and nobody else may write it.
std::string not_ours(const struct stat& info, const std::string& name) {
  if (info.st_uid != geteuid())
    return name + " belongs to user " + std::to_string(info.st_uid) + ", wanted user " + std::to_string(geteuid());
  if (info.st_mode & (S_IWGRP | S_IWOTH)) return name + " can be written by others, wanted its owner alone";
  return "";
}

/// The folder, open; or why it is not used. A missing folder has no descriptor and no reason.
struct Opened {
  Descriptor folder;
  std::string why;
};
Opened open_folder(const fs::path& path, bool make) {
  Opened out;
  const Walk way = walk(path, Owners::user, make);
  if (!way.found) {
    if (make) out.why = way.why;
    return out;
  }
  const std::string name = "the cache folder " + path.string();
  out.why = way.why;
  if (out.why.empty() && !S_ISDIR(way.info.st_mode)) out.why = name + " is a file, wanted a folder";
  if (out.why.empty()) out.why = not_ours(way.info, name);
  if (!out.why.empty()) return out;
  Descriptor folder(openat(way.folder.get(), way.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (!folder || fstat(folder.get(), &info) != 0) out.why = name + " cannot be opened: " + error_text();
  else if (info.st_ino != way.info.st_ino || info.st_dev != way.info.st_dev) out.why = name + " changes while it is read";
  else out.folder = std::move(folder);
  return out;
}

/// A file below the folder that is ours; or why it is not used.
Opened open_file(const Descriptor& folder, const std::string& name, int flags) {
  Opened out;
  Descriptor file(openat(folder.get(), name.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0600));
  struct stat info {};
  if (!file || fstat(file.get(), &info) != 0) {
    if (errno != ENOENT) out.why = name + " cannot be opened: " + error_text();
    return out;
  }
  out.why = S_ISREG(info.st_mode) ? not_ours(info, name) : name + " is not a regular file";
  if (out.why.empty()) out.folder = std::move(file);
  return out;
}

constinit Turns writers;  ///< the file's lock is the process's: it does not part threads

/// Excludes this process's threads by turns and other processes by fcntl, whose locks a forked child does not inherit;
/// gives up after a while, so that whoever keeps the lock stops nobody.
class Lock {
 public:
  Lock(const Descriptor& folder, const std::string& name) : turn_(writers) {
    const auto deadline = Clock::now() + kPatience;
    Opened opened = open_file(folder, name + ".lock", O_RDWR | O_CREAT);
    why_ = std::move(opened.why);
    if (!opened.folder) return;
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    while (fcntl(opened.folder.get(), F_SETLK, &whole) != 0) {
      const bool held = errno == EAGAIN || errno == EACCES || errno == EINTR;
      if (held && Clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        continue;
      }
      why_ = held ? "its lock is held by another process" : "it cannot be locked: " + error_text();
      return;
    }
    file_ = std::move(opened.folder);  // closing it gives the lock back
  }
  explicit operator bool() const noexcept { return static_cast<bool>(file_); }
  const std::string& why() const noexcept { return why_; }

 private:
  Turn turn_;
  Descriptor file_;
  std::string why_;
};

std::string random_letters() {
  unsigned char bytes[12];
  if (getrandom(bytes, sizeof bytes, GRND_NONBLOCK) != static_cast<ssize_t>(sizeof bytes)) return "";
  std::string out;
  for (const unsigned char b : bytes) out += "abcdefghijklmnopqrstuvwxyz234567"[b & 31];
  return out;
}

bool write_all(const Descriptor& file, const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t put = write(file.get(), bytes.data() + at, bytes.size() - at);
    if (put < 0 && errno != EINTR) return false;
    at += put > 0 ? static_cast<std::size_t>(put) : 0;
  }
  return true;
}

}  // namespace

fs::path CacheFolder::place(const Options& options) {
  if (Options::is_secure()) return {};
  if (options.cache_folder) return *options.cache_folder;
  if (const auto xdg = options.trusted_env("XDG_CACHE_HOME"); xdg && xdg->starts_with('/'))
    return fs::path(*xdg) / "attnrt";
  if (const auto home = options.trusted_env("HOME"); home && home->starts_with('/'))
    return fs::path(*home) / ".cache" / "attnrt";
  return {};
}

CacheFolder::CacheFolder(fs::path folder) : path_(std::move(folder)) {
  if (!path_.empty()) refusal_ = open_folder(path_, false).why;
}

std::optional<std::string> CacheFolder::read(const std::string& name) const {
  if (path_.empty()) return std::nullopt;
  const Opened opened = open_folder(path_, false);
  if (!opened.folder) return std::nullopt;
  const Opened file = open_file(opened.folder, name, O_RDONLY);
  if (!file.folder) return std::nullopt;
  auto bytes = read_regular_file(file.folder.get(), name, kMaxFileBytes);
  return bytes ? std::optional(std::move(*bytes)) : std::nullopt;
}

Status CacheFolder::rewrite(const std::string& name,
                           const std::function<std::string(const std::optional<std::string>&)>& change) const {
  const auto failed = [&](const std::string& why) {
    return Status{ATTNRT_FAILED, (path_ / name).string() + " cannot be written: " + why};
  };
  if (path_.empty()) return failed("there is no cache folder");
  const Opened opened = open_folder(path_, true);
  if (!opened.folder) return failed(opened.why);
  const Lock lock(opened.folder, name);
  if (!lock) return failed(lock.why());
  const std::string bytes = change(read(name));
  if (bytes.size() > kMaxFileBytes) return failed("it would have " + std::to_string(bytes.size()) + " bytes");
  const std::string fresh = name + "." + random_letters();
  const Descriptor out(
      openat(opened.folder.get(), fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!out) return failed(error_text());
  if (!write_all(out, bytes) || renameat(opened.folder.get(), fresh.c_str(), opened.folder.get(), name.c_str()) != 0) {
    const std::string why = error_text();
    unlinkat(opened.folder.get(), fresh.c_str(), 0);
    return failed(why);
  }
  return {};
}

}  // namespace attnrt::core
