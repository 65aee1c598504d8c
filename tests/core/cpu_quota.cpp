// SPDX-License-Identifier: Apache-2.0
// How many CPUs control groups of both versions grant, from the texts that the kernel shows.
#include "cpu_quota.hpp"

#include <sched.h>

#include <thread>

#include "scratch.hpp"

using namespace attnrt::core;
using Folders = std::vector<std::string>;

TEST_CASE("a quota is told in whole CPUs, rounded up") {
  CHECK(cpus_of_v2("50000 100000\n") == 1u);
  CHECK(cpus_of_v2("100000 100000\n") == 1u);
  CHECK(cpus_of_v2("100001 100000\n") == 2u);
  CHECK(cpus_of_v2("150000 100000") == 2u);
  CHECK(cpus_of_v2("1600000 50000\n") == 32u);
  CHECK(cpus_of_v1("50000\n", "100000\n") == 1u);
  CHECK(cpus_of_v1("250000", "100000") == 3u);
  for (const char* none : {"", "\n", "max 100000\n", "max", "50000", "50000 0\n", "0 100000", "-1 100000", "x y"})
    CHECK_FALSE(cpus_of_v2(none));
  CHECK_FALSE(cpus_of_v1("-1\n", "100000\n"));
  CHECK_FALSE(cpus_of_v1("", ""));
  CHECK_FALSE(cpus_of_v1("50000", ""));
}

TEST_CASE("a process's group and all above it may hold a quota, wherever they are mounted") {
  const char* v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
  CHECK(quota_folders("0::/a.slice/b.scope\n", v2) ==
        Folders{"/sys/fs/cgroup/a.slice/b.scope", "/sys/fs/cgroup/a.slice", "/sys/fs/cgroup"});
  CHECK(quota_folders("0::/\n", v2) == Folders{"/sys/fs/cgroup"});
  CHECK(quota_folders("", v2) == Folders{"/sys/fs/cgroup"});
  CHECK(quota_folders("0::/../../other\n", v2) == Folders{"/sys/fs/cgroup"});  // outside of the namespace's root

  // Version 1 beside an empty version 2: cpu is controlled in the first, whatever stands beside it.
  const char* both =
      "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
      "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 master:2 - cgroup cgroup rw,cpu,cpuacct\n"
      "33 31 0:30 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
      "34 31 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
  CHECK(quota_folders("4:cpuset:/set\n3:cpuacct,cpu:/x/y\n1:name=systemd:/s\n0::/u\n", both) ==
        Folders{"/sys/fs/cgroup/cpu,cpuacct/x/y", "/sys/fs/cgroup/cpu,cpuacct/x", "/sys/fs/cgroup/cpu,cpuacct",
                "/sys/fs/cgroup/unified/u", "/sys/fs/cgroup/unified"});

  // A container that sees the host's names, with its own group mounted: below that group, and where it is not, there.
  const char* container = "40 31 0:29 /docker/c1 /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n";
  CHECK(quota_folders("3:cpu:/docker/c1/inner\n", container) ==
        Folders{"/sys/fs/cgroup/cpu/inner", "/sys/fs/cgroup/cpu"});
  CHECK(quota_folders("3:cpu:/docker/c1\n", container) == Folders{"/sys/fs/cgroup/cpu"});
  CHECK(quota_folders("3:cpu:/docker/c10\n", container) == Folders{"/sys/fs/cgroup/cpu"});
  CHECK(quota_folders("3:cpu:/\n", container) == Folders{"/sys/fs/cgroup/cpu"});

  CHECK(quota_folders("0::/g\n", "30 23 0:26 / /a\\040b rw - cgroup2 none rw\n") == Folders{"/a b/g", "/a b"});
  CHECK(quota_folders("0::/g\n", "").empty());
  for (const char* broken :
       {"-", " - cgroup2", "1 2 3", "\n\n", "30 23 0:26 / /x rw -", "30 23 0:26 / /x\\0 rw - cgroup2"})
    CHECK(quota_folders("0::/g\n::\n:", broken).size() <= 2);
}

TEST_CASE("the smallest quota of nested groups counts") {
  const Scratch root;
  const auto group = [&root](const std::string& name, const std::string& file, const std::string& text) {
    std::filesystem::create_directories(root.path() / name);
    root.write(name + "/" + file, text);
  };
  const Folders nested{"/cg/a/b", "/cg/a", "/cg"};
  CHECK_FALSE(smallest_quota(nested, root.path()));
  group("cg", "cgroup.procs", "");
  group("cg/a", "cpu.max", "max 100000\n");
  group("cg/a/b", "cpu.max", "max 100000\n");
  CHECK_FALSE(smallest_quota(nested, root.path()));
  group("cg/a", "cpu.max", "200000 100000\n");
  CHECK(smallest_quota(nested, root.path()) == 2u);
  group("cg/a/b", "cpu.max", "400000 100000\n");
  CHECK(smallest_quota(nested, root.path()) == 2u);
  group("cg/a/b", "cpu.max", "50000 100000\n");
  CHECK(smallest_quota(nested, root.path()) == 1u);
  group("v1", "cpu.cfs_quota_us", "-1\n");
  group("v1", "cpu.cfs_period_us", "100000\n");
  CHECK_FALSE(smallest_quota({"/v1"}, root.path()));
  group("v1", "cpu.cfs_quota_us", "300000\n");
  CHECK(smallest_quota({"/v1", "/cg"}, root.path()) == 3u);
}

TEST_CASE("no more CPUs are used than the affinity mask has") {
  uint32_t narrow = 0;
  std::thread([&narrow] {
    cpu_set_t all, one;
    REQUIRE(sched_getaffinity(0, sizeof all, &all) == 0);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &all)) {
        CPU_SET(cpu, &one);
        break;
      }
    REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
    narrow = usable_cpus();
  }).join();
  CHECK(narrow == 1);
  CHECK(usable_cpus() >= 1);
  CHECK(usable_cpus() <= std::max(1u, std::thread::hardware_concurrency()));
}
