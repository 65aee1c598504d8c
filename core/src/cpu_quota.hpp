// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attnrt::core {

/// How many CPUs this process may use at a time, at least 1: those of its affinity mask, or fewer where a control group
/// that it is in has a CPU quota. [thread-safe]
uint32_t usable_cpus();

/// The folders that may hold a quota for a process: its control group and all groups above it, in the hierarchies that
/// control CPU time, version 1 and version 2. `cgroup` and `mountinfo` are the texts of the files of these names in
/// /proc/self. A group that is not below what is mounted, as in a container that sees the host's names, is looked for
/// at the place where the hierarchy is mounted. Pure.
std::vector<std::string> quota_folders(std::string_view cgroup, std::string_view mountinfo);

/// CPUs that a quota grants, in whole ones rounded up, from the text of cpu.max ("50000 100000" is 1, "max 100000"
/// none) or of cpu.cfs_quota_us and cpu.cfs_period_us ("-1" is none); empty where there is no quota. Pure.
std::optional<uint32_t> cpus_of_v2(std::string_view cpu_max);
std::optional<uint32_t> cpus_of_v1(std::string_view quota_us, std::string_view period_us);

/// The smallest quota in the folders, each below `root` ("" for this machine's own).
std::optional<uint32_t> smallest_quota(const std::vector<std::string>& folders, const std::filesystem::path& root = {});

}  // namespace attnrt::core
