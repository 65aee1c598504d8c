// SPDX-License-Identifier: Apache-2.0
//
// selection_cost [PLUGIN_FOLDER]: what a selection costs, and opening a runtime on a folder. Prints figures, asserts
// nothing: medians over rounds, so that one busy moment of the machine does not count.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "attnrt/runtime.hpp"

namespace {

using Clock = std::chrono::steady_clock;

template <class Work>
double median_us(int rounds, int repeats, Work&& work) {
  std::vector<double> times;
  for (int r = 0; r < rounds; ++r) {
    const auto start = Clock::now();
    for (int i = 0; i < repeats; ++i) work();
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count() / repeats);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t n = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++n;
  return n;
}

/// What opening costs a process that has loaded nothing yet, where every plugin's verdict is remembered.
double first_open_ms(attnrt::Options options) {
  char cache[] = "/tmp/selection_cost_XXXXXX";
  if (!mkdtemp(cache)) return 0;
  options.cache_folder = cache;
  options.probe = ATTNRT_PROBE_AUTO;
  std::vector<double> times;
  for (int round = 0; round < 22; ++round) {
    int ends[2];
    if (pipe(ends) != 0) break;
    if (fork() == 0) {
      const auto start = Clock::now();
      const attnrt::Runtime runtime(options);
      const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
      _exit(write(ends[1], &ms, sizeof ms) == sizeof ms ? 0 : 1);
    }
    close(ends[1]);
    double ms = 0;
    if (read(ends[0], &ms, sizeof ms) == sizeof ms && round > 0) times.push_back(ms);  // the first one probes
    close(ends[0]);
    wait(nullptr);
  }
  std::filesystem::remove_all(cache);
  std::sort(times.begin(), times.end());
  return times.empty() ? 0 : times[times.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  attnrt::Options options;
  if (argc > 1) options.plugin_path = argv[1];
  options.probe = ATTNRT_PROBE_NEVER;
  try {
    const double first_open = first_open_ms(options);  // before this process loads anything
    const attnrt::Runtime runtime(options);
    const std::string list = runtime.list();
    std::printf("%zu files, %zu backends\n", count(list, "\"build_id\""), count(list, "\"summary\""));

    const struct {
      const char *name, *device;
      bool mla, impossible;
    } cases[] = {{"cpu decoder", "cpu:avx2", false, false},
                 {"cuda 9.0 decoder", "cuda:9.0", false, false},
                 {"cuda 9.0 MLA, both phases", "cuda:9.0", true, false},
                 {"rocm gfx942 decoder", "rocm:gfx942", false, false},
                 {"cuda 9.0, nothing valid", "cuda:9.0", false, true}};
    for (const auto& c : cases) {
      attnrt_problem problem = runtime.problem(c.device);
      if (c.mla) {
        problem.family = ATTNRT_FAMILY_MLA;
        problem.num_heads = 128;
        problem.num_kv_heads = 1;
        problem.head_size_qk = 576;
        problem.head_size_v = problem.mla_kv_lora = 512;
        problem.mla_nope = problem.mla_v = 128;
        problem.mla_rope = 64;
      }
      if (c.impossible) problem.head_size_qk = problem.head_size_v = 4093;
      std::string winner = "no backend";
      if (const attnrt::Choice choice = runtime.try_select(problem)) winner = choice.backend();
      const double us = median_us(21, 2000, [&] { runtime.try_select(problem); });
      std::printf("select  %-28s %7.2f us  %s\n", c.name, us, winner.c_str());
    }
    std::printf("open    first, verdicts remembered    %7.2f ms\n", first_open);
    std::printf("open    again, without the probe      %7.2f ms\n",
                median_us(21, 1, [&] { attnrt::Runtime again(options); }) / 1000);
  } catch (const attnrt::Error& error) {
    std::fprintf(stderr, "selection_cost: %s\n", error.what());
    return 1;
  }
}
