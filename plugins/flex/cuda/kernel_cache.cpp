// SPDX-License-Identifier: Apache-2.0
#include "kernel_cache.hpp"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "attnrt/say.hpp"

namespace attnrt::flex {
namespace {

using sdk::say;

constexpr std::size_t kMostBytes = std::size_t{16} << 20;
constexpr char kMagic[8] = {'a', 't', 't', 'n', 'f', 'x', '0', '1'};

/// What a file begins with; the key and the image follow.
struct Head {
  char magic[sizeof kMagic];
  uint64_t key_bytes, image_bytes, checksum;  ///< of key and image
};

/// FNV-1a: finds damage, names files. Who may write the folder is what keeps forgers out.
uint64_t hash(const std::string& bytes, uint64_t state = 0xcbf29ce484222325) {
  for (const char c : bytes) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return state;
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }

 private:
  const int number_;
};

/// Open, of the wanted kind, the effective user's, and nobody else may write it.
bool ours(const Descriptor& file, mode_t kind, struct stat& info) {
  return file.get() >= 0 && fstat(file.get(), &info) == 0 && (info.st_mode & S_IFMT) == kind &&
         info.st_uid == geteuid() && !(info.st_mode & (S_IWGRP | S_IWOTH));
}

int open_folder(const std::string& folder) {
  return open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

bool read_all(int file, char* to, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t got = ::read(file, to, bytes);
    if (got == 0 || (got < 0 && errno != EINTR)) return false;
    if (got < 0) continue;
    to += got;
    bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

bool write_all(int file, const char* from, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t put = ::write(file, from, bytes);
    if (put < 0 && errno != EINTR) return false;
    if (put < 0) continue;
    from += put;
    bytes -= static_cast<std::size_t>(put);
  }
  return true;
}

std::string name_of(const std::string& key) {
  char name[17];
  std::snprintf(name, sizeof name, "%016llx", static_cast<unsigned long long>(hash(key)));
  return say(name, ".kernel");
}

}  // namespace

std::string KernelCache::place() {
  if (getauxval(AT_SECURE)) return {};
  if (const char* const own = std::getenv(kCacheVariable)) return own[0] == '/' ? own : "";
  if (const char* const cache = std::getenv("XDG_CACHE_HOME"); cache && cache[0] == '/')
    return say(cache, "/attnrt/flex");
  if (const char* const home = std::getenv("HOME"); home && home[0] == '/') return say(home, "/.cache/attnrt/flex");
  return {};
}

std::string KernelCache::path(const std::string& key) const {
  return folder_.empty() ? folder_ : say(folder_, "/", name_of(key));
}

std::optional<std::string> KernelCache::read(const std::string& key) const {
  if (folder_.empty()) return {};
  struct stat info {};
  const Descriptor folder(open_folder(folder_));
  if (!ours(folder, S_IFDIR, info)) return {};
  const Descriptor file(
      openat(folder.get(), name_of(key).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!ours(file, S_IFREG, info)) return {};
  const auto size = static_cast<std::size_t>(info.st_size);
  Head head;
  if (size < sizeof head || size > kMostBytes || !read_all(file.get(), reinterpret_cast<char*>(&head), sizeof head))
    return {};
  if (std::memcmp(head.magic, kMagic, sizeof kMagic) != 0 || head.key_bytes != key.size() ||
      size - sizeof head < key.size() || head.image_bytes != size - sizeof head - key.size() || head.image_bytes == 0)
    return {};
  std::string found(key.size(), '\0'), image(head.image_bytes, '\0');
  if (!read_all(file.get(), found.data(), found.size()) || !read_all(file.get(), image.data(), image.size())) return {};
  if (found != key || hash(image, hash(key)) != head.checksum) return {};
  return image;
}

void KernelCache::write(const std::string& key, const std::string& image) const {
  if (folder_.empty() || sizeof(Head) + key.size() + image.size() > kMostBytes) return;
  for (std::size_t at = 1; at != std::string::npos;) {  // its folders are made as they are missed
    at = folder_.find('/', at + 1);
    mkdir(folder_.substr(0, at).c_str(), 0700);
  }
  struct stat info {};
  const Descriptor folder(open_folder(folder_));
  if (!ours(folder, S_IFDIR, info)) return;
  static std::atomic<unsigned> count{0};
  const std::string name = name_of(key), fresh = say(name, ".", getpid(), ".", count.fetch_add(1));
  Head head{};
  std::memcpy(head.magic, kMagic, sizeof kMagic);
  head.key_bytes = key.size();
  head.image_bytes = image.size();
  head.checksum = hash(image, hash(key));
  bool whole = false;
  {
    const Descriptor file(
        openat(folder.get(), fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (file.get() < 0) return;
    whole = write_all(file.get(), reinterpret_cast<const char*>(&head), sizeof head) &&
            write_all(file.get(), key.data(), key.size()) && write_all(file.get(), image.data(), image.size());
  }
  if (!whole || renameat(folder.get(), fresh.c_str(), folder.get(), name.c_str()) != 0)
    unlinkat(folder.get(), fresh.c_str(), 0);
}

}  // namespace attnrt::flex
