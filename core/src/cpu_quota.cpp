// SPDX-License-Identifier: Apache-2.0
#include "cpu_quota.hpp"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>

#include "file_text.hpp"

namespace attnrt::core {
namespace {

/// Takes the part before `separator` from the front of `text`, and the separator too.
std::string_view cut(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

bool lists(std::string_view list, std::string_view word) {
  while (!list.empty())
    if (cut(list, ',') == word) return true;
  return false;
}

/// Paths of mountinfo write blanks and the like as "\040".
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(&text[i + 1], &text[i + 1] + 3, code, 8).ptr == &text[i + 1] + 3) {
      out += static_cast<char>(code);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// A mounted hierarchy of control groups: the group `root` of it is seen at `place`.
struct Hierarchy {
  bool v2;
  std::string root, place;
};

/// Those that control CPU time.
std::vector<Hierarchy> hierarchies(std::string_view mountinfo) {
  std::vector<Hierarchy> out;
  while (!mountinfo.empty()) {
    std::string_view line = cut(mountinfo, '\n');
    for (int skipped = 0; skipped < 3; ++skipped) cut(line, ' ');  // two numbers and the device
    const std::string_view root = cut(line, ' '), place = cut(line, ' ');
    while (!line.empty() && cut(line, ' ') != "-") {
    }
    const std::string_view type = cut(line, ' ');
    cut(line, ' ');  // the source
    if (type == "cgroup2" || (type == "cgroup" && lists(line, "cpu")))
      out.push_back({type == "cgroup2", unescaped(root), unescaped(place)});
  }
  return out;
}

/// The process's group in one hierarchy, from /proc/self/cgroup; "/" where it is not told.
std::string_view group_in(std::string_view cgroup, bool v2) {
  while (!cgroup.empty()) {
    std::string_view line = cut(cgroup, '\n');
    const std::string_view number = cut(line, ':'), controllers = cut(line, ':');
    if (v2 ? number == "0" && controllers.empty() : lists(controllers, "cpu")) return line;
  }
  return "/";
}

/// `group` as seen from `root`: "/a/b" below "/a" is "/b"; "" where it is the same or not below.
std::string_view below(std::string_view group, std::string_view root) {
  if (group.find("/..") != std::string_view::npos) return "";
  if (root == "/") return group == "/" ? "" : group;
  if (!group.starts_with(root)) return "";
  group.remove_prefix(root.size());
  return group.starts_with('/') ? group : "";
}

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && value > 0 ? std::optional(value) : std::nullopt;
}

std::optional<uint32_t> whole_cpus(std::optional<uint64_t> quota, std::optional<uint64_t> period) {
  if (!quota || !period) return std::nullopt;
  const uint64_t cpus = *quota / *period + (*quota % *period != 0);
  return static_cast<uint32_t>(std::min<uint64_t>(cpus, UINT32_MAX));
}

/// CPUs in the affinity mask; machines have more than the 1024 of a cpu_set_t. 1 where the system does not tell.
uint32_t affine_cpus() {
  for (int cpus = CPU_SETSIZE; cpus <= 1 << 20; cpus *= 2) {
    const std::size_t bytes = CPU_ALLOC_SIZE(cpus);
    const auto words = std::make_unique<unsigned long[]>(bytes / sizeof(unsigned long));
    auto* const set = reinterpret_cast<cpu_set_t*>(words.get());
    if (sched_getaffinity(0, bytes, set) == 0) return static_cast<uint32_t>(std::max(1, CPU_COUNT_S(bytes, set)));
    if (errno != EINVAL) return 1;
  }
  return 1;
}

}  // namespace

std::vector<std::string> quota_folders(std::string_view cgroup, std::string_view mountinfo) {
  std::vector<std::string> out;
  for (const Hierarchy& h : hierarchies(mountinfo)) {
    std::string rest(below(group_in(cgroup, h.v2), h.root));
    for (;;) {
      out.push_back(h.place + rest);
      const std::size_t end = rest.rfind('/');
      if (end == std::string::npos) break;
      rest.resize(end);
    }
  }
  return out;
}

std::optional<uint32_t> cpus_of_v2(std::string_view cpu_max) {
  const auto quota = number(cut(cpu_max, ' '));
  return whole_cpus(quota, number(cpu_max));
}

std::optional<uint32_t> cpus_of_v1(std::string_view quota_us, std::string_view period_us) {
  return whole_cpus(number(quota_us), number(period_us));
}

std::optional<uint32_t> smallest_quota(const std::vector<std::string>& folders, const std::filesystem::path& root) {
  std::optional<uint32_t> out;
  const auto take = [&out](std::optional<uint32_t> cpus) {
    if (cpus) out = std::min(*cpus, out.value_or(*cpus));
  };
  for (const std::string& folder : folders) {
    const std::string place = root.string() + folder;
    take(cpus_of_v2(read_text(place + "/cpu.max").value_or("")));
    take(cpus_of_v1(read_text(place + "/cpu.cfs_quota_us").value_or(""),
                    read_text(place + "/cpu.cfs_period_us").value_or("")));
  }
  return out;
}

uint32_t usable_cpus() {
  const uint32_t affine = affine_cpus();
  const auto quota = smallest_quota(
      quota_folders(read_text("/proc/self/cgroup").value_or(""), read_text("/proc/self/mountinfo").value_or("")));
  return std::min(affine, quota.value_or(affine));
}

}  // namespace attnrt::core
