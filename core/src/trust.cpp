// SPDX-License-Identifier: Apache-2.0
#include "trust.hpp"

#include <fcntl.h>
#include <sys/xattr.h>

#include <cerrno>
#include <charconv>
#include <climits>
#include <cstring>
#include <deque>
#include <set>
#include <utility>
#include <vector>

#include "attnrt/fork.hpp"
#include "file_text.hpp"
#include "search.hpp"

namespace attnrt::core {
namespace fs = std::filesystem;
namespace {

constexpr int kMaxLinks = 40;

using Identity = std::pair<dev_t, ino_t>;

/// The library's own file and the folders that lead to it, as they were when they were first asked for.
struct Home {
  bool known = false;
  struct stat file {};
  std::set<Identity> folders;

  static const Home& get();
};
constinit sdk::Once<Home> home_once;

const Home& Home::get() {
  return home_once.get([] {
    Home h;
    const fs::path file = core_file();
    h.known = !file.empty() && stat(file.c_str(), &h.file) == 0;
    struct stat folder {};
    for (fs::path up = file.parent_path(); h.known; up = up.parent_path()) {
      if (stat(up.c_str(), &folder) == 0) h.folders.emplace(folder.st_dev, folder.st_ino);
      if (up == up.parent_path()) break;
    }
    return h;
  });
}

/// Does this number stand for users that the process's user namespace does not name? Files of quite different users then
/// look alike (user_namespaces(7)).
constinit sdk::Once<uid_t> overflow_user;
bool is_unmapped(uid_t user) {
  return user == overflow_user.get([] {
    const auto numbers = [](const char* file) {
      std::vector<unsigned long> out;
      const std::string text = read_text(file).value_or("");
      for (const char *at = text.data(), *end = at + text.size(); at < end;) {
        unsigned long number = 0;
        const auto [next, error] = std::from_chars(at, end, number);
        if (error == std::errc{}) out.push_back(number);
        at = error == std::errc{} ? next : at + 1;
      }
      return out;
    };
    const std::vector<unsigned long> map = numbers("/proc/self/uid_map"), user_of_none = numbers("/proc/sys/kernel/overflowuid");
    const bool initial = map.size() == 3 && map[0] == 0 && map[1] == 0 && map[2] >= UINT_MAX;
    return initial ? static_cast<uid_t>(-1) : user_of_none.empty() ? uid_t{65534} : static_cast<uid_t>(user_of_none[0]);
  });
}

bool has_access_list(const Descriptor& opened) {
  const std::string path = "/proc/self/fd/" + std::to_string(opened.get());
  return getxattr(path.c_str(), "system.posix_acl_access", nullptr, 0) > 0;
}

bool owner_is_trusted(const struct stat& info, Owners owners, bool below_home) {
  const Home& home = Home::get();
  const bool cores = owners == Owners::user_or_core && home.known && info.st_uid == home.file.st_uid;
  if (is_unmapped(info.st_uid)) return cores && below_home;  // it lies where only the library's owner can have put it
  return info.st_uid == 0 || info.st_uid == geteuid() || cores;
}

/// May others than the owner write here? "world-writable", "group-writable" or "".
const char* writable_by(const struct stat& info, const Descriptor& opened, Owners owners) {
  if (info.st_mode & S_IWOTH) return "world-writable";
  if (!(info.st_mode & S_IWGRP)) return "";
  const Home& home = Home::get();
  const bool own = info.st_gid == info.st_uid;
  const bool cores = owners == Owners::user_or_core && home.known && (home.file.st_mode & S_IWGRP) &&
                     info.st_gid == home.file.st_gid;
  return (own || cores) && !has_access_list(opened) ? "" : "group-writable";
}

/// One walk in progress.
class Walker {
 public:
  Walker(Owners owners, bool make) : owners_(owners), make_(make) {}

  Walk run(const fs::path& path) {
    if (path.is_absolute()) {
      push(path);
      restart();
    } else {
      fail(path.string() + " is relative, wanted an absolute path");
    }
    while (!pending_.empty() && folder_) {
      const std::string name = pending_.front();
      pending_.pop_front();
      if (!step(name)) break;
    }
    return std::move(out_);
  }

 private:
  void push(const fs::path& path) {
    std::deque<std::string> parts;
    for (const fs::path& part : path.relative_path())
      if (!part.empty() && part != ".") parts.push_back(part.string());
    pending_.insert(pending_.begin(), parts.begin(), parts.end());
  }
  void restart() {
    seen_ = "/";
    folder_ = Descriptor(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    below_home_ = false;
    if (!folder_ || fstat(folder_.get(), &info_) != 0) fail("the root folder cannot be opened: " + words(), errno);
    else if (pending_.empty()) out_.found = true;
  }
  static std::string words() { return std::strerror(errno); }
  /// Nothing more can be looked at.
  void fail(std::string why, int error = 0) {
    blame(std::move(why));
    out_.error = error;
    folder_ = Descriptor();
  }
  void blame(std::string why) {
    if (out_.why.empty()) out_.why = std::move(why);
  }

  /// Asks the questions of the folder in hand, before a name is looked up in it. `last`: the name is a file's or a link's
  /// that leads to it, so that others may not even add names here.
  void judge_folder(bool last) {
    const bool leads_home = Home::get().folders.count({info_.st_dev, info_.st_ino}) != 0;
    below_home_ = below_home_ || leads_home;
    if (leads_home) return;
    judge("the folder", folder_, (!last || owners_ == Owners::user) && (info_.st_mode & S_ISVTX));
  }
  void judge(const char* what, const Descriptor& opened, bool may_be_written) {
    const char* writable = may_be_written ? "" : writable_by(info_, opened, owners_);
    if (*writable)
      blame(std::string(what) + " " + seen_.string() + " is " + writable + ", wanted no write permission for " +
            (*writable == 'w' ? "others" : "its group"));
    judge_owner(what);
  }
  void judge_owner(const char* what) {
    if (owner_is_trusted(info_, owners_, below_home_)) return;
    const std::string user = std::to_string(geteuid());
    blame(std::string(what) + " " + seen_.string() + " belongs to " +
          (is_unmapped(info_.st_uid) ? "a user that this user namespace does not name"
                                     : "user " + std::to_string(info_.st_uid)) +
          ", wanted root" + (owners_ == Owners::user ? " or user " + user : ", user " + user + " or the owner of libattnrt"));
  }

  bool step(const std::string& name) {
    const bool last = pending_.empty();
    judge_folder(last);
    Descriptor next(openat(folder_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!next && errno == ENOENT && make_ && out_.why.empty() &&
        (mkdirat(folder_.get(), name.c_str(), 0700) == 0 || errno == EEXIST))
      next = Descriptor(openat(folder_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    const fs::path before = seen_;
    seen_ = name == ".." ? seen_.parent_path() : seen_ / name;
    struct stat info {};
    if (!next || fstat(next.get(), &info) != 0) {
      const int error = errno;
      fail((last ? "the file " : "the folder ") + seen_.string() + " cannot be looked at: " + std::strerror(error), error);
      return false;
    }
    info_ = info;
    if (S_ISLNK(info.st_mode)) {
      judge_owner("the link");
      char target[PATH_MAX];
      const ssize_t size = readlinkat(next.get(), "", target, sizeof target);
      if (size <= 0 || size == static_cast<ssize_t>(sizeof target) || ++links_ > kMaxLinks) {
        fail("the link " + seen_.string() + " cannot be followed: " + std::strerror(size < 0 ? errno : ELOOP));
        return false;
      }
      const fs::path to(std::string(target, static_cast<std::size_t>(size)));
      push(to);
      seen_ = before;
      if (to.is_absolute()) restart();
      else if (fstat(folder_.get(), &info_) != 0) fail("the folder " + seen_.string() + " cannot be looked at: " + words());
      return true;
    }
    if (!last) {
      if (!S_ISDIR(info.st_mode)) {
        fail("the folder " + seen_.string() + " cannot be looked at: " + std::strerror(ENOTDIR));
        return false;
      }
      folder_ = std::move(next);
      return true;
    }
    const bool leads_home = S_ISDIR(info.st_mode) && Home::get().folders.count({info.st_dev, info.st_ino}) != 0;
    if (!leads_home) judge(S_ISDIR(info.st_mode) ? "the folder" : "the file", next, false);
    out_.folder = std::move(folder_);
    out_.name = name;
    out_.info = info;
    out_.found = true;
    return false;
  }

  const Owners owners_;
  const bool make_;
  std::deque<std::string> pending_;
  fs::path seen_;
  Descriptor folder_;
  struct stat info_ {};
  bool below_home_ = false;
  int links_ = 0;
  Walk out_;
};

}  // namespace

Walk walk(const fs::path& path, Owners owners, bool make) { return Walker(owners, make).run(path); }

std::string distrust(const fs::path& file) { return walk(file, Owners::user_or_core).why; }

}  // namespace attnrt::core
