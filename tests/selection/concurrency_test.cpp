// SPDX-License-Identifier: Apache-2.0
//
// Selections, scoped forces, a global force and rescans at once; after each change of table, folder or force the next
// selection of the thread that changed it knows it. Meant for the preset tsan as well.
#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "case.hpp"

namespace fs = std::filesystem;
using namespace attnrt;

namespace {

/// What went wrong in any thread; Catch2's own checks belong to one thread.
class Faults {
 public:
  void add(const std::string& text) {
    const std::lock_guard lock(mutex_);
    if (all_.size() < 20) all_.push_back(text);
  }
  void same(const char* what, const std::string& seen, const std::string& wanted) {
    if (seen != wanted) add(std::string(what) + ": " + seen + ", wanted " + wanted);
  }
  std::vector<std::string> all() const { return all_; }

 private:
  std::mutex mutex_;
  std::vector<std::string> all_;
};

/// Replaces a file in one step, as an editor does.
void replace(const fs::path& file, const std::string& content) {
  const fs::path draft = file.string() + ".new";
  std::ofstream(draft) << content;
  fs::rename(draft, file);
}

std::string table_of(const char* first) {
  return std::string(R"({"version": 1, "rules": [{"name": ")") + first + R"(", "order": [")" + first + R"("]}]})";
}

std::string rule_of(const Choice& choice) {
  const boost::json::value document = boost::json::parse(choice.json());
  const boost::json::value& rule = document.at("rule").at("name");
  return rule.is_string() ? rule.as_string().c_str() : "";
}

}  // namespace

TEST_CASE("many threads select while everything changes") {
  tests::clear_environment();
  const fs::path folder = fs::path(ATTNRT_SELECTION_SCRATCH) / "concurrency";
  fs::remove_all(folder);
  fs::create_directories(folder / "plugins");
  const fs::path table = folder / "table.json", extra = folder / "plugins" / "extra.so";
  replace(table, table_of("FLASH_ATTN"));

  Options options;
  options.plugin_path =
      tests::plugin_path("feature_support", {"cuda", "portable"}) + ":" + (folder / "plugins").string();
  options.priority_file = table.string();
  options.probe = ATTNRT_PROBE_NEVER;
  std::atomic<int> logged{0};
  options.log = [&logged](int32_t, const char*) { ++logged; };
  Runtime runtime(options);
  const attnrt_problem problem = runtime.problem("cuda:9.0");
  Faults faults;
  std::atomic<bool> stop{false};
  std::atomic<int> selections{0};

  std::vector<std::thread> threads;
  for (const char* own : {"FLEX_ATTENTION", "FLASHINFER"})
    threads.emplace_back([&, own] {
      while (!stop) {
        try {
          const ForceBackend outer(runtime, own);
          faults.same("scoped", runtime.select(problem).backend(), own);
          {
            const ForceBackend inner(runtime, "TREE_ATTN");
            faults.same("inner scope", runtime.select(problem).backend(), "TREE_ATTN");
          }
          try {
            const ForceBackend inner(runtime, "TRITON_ATTN");
            throw std::runtime_error("out of the scope");
          } catch (const std::runtime_error&) {
          }
          faults.same("after an exception", runtime.select(problem).backend(), own);
        } catch (const Error& e) {
          faults.add(e.what());
        }
        selections += 3;
      }
    });
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      while (!stop) {
        try {
          // Whatever holds at this moment holds as a whole: the table's rule and its winner belong together.
          const Choice choice = runtime.select(problem);
          const std::string winner = choice.backend(), rule = rule_of(choice);
          if (winner != rule && winner != "FLASH_ATTN_DIFFKV") faults.add(winner + " won by rule " + rule);
          if (std::string(choice.explain()).find(winner) == std::string::npos)
            faults.add("explain does not name " + winner);
        } catch (const Error& e) {
          faults.add(e.what());
        }
        ++selections;
      }
    });
  threads.emplace_back([&] {
    while (!stop) {
      try {
        runtime.rescan();
      } catch (const Error& e) {
        faults.add(e.what());
      }
    }
  });

  for (int i = 0; i < 25; ++i) {
    const char* first = i % 2 ? "TRITON_ATTN" : "FLEX_ATTENTION";
    replace(table, table_of(first));
    runtime.rescan();
    faults.same("after a change of the table", runtime.select(problem).backend(), first);
    // FLASH_ATTN_DIFFKV is named by nobody but this force: the free threads know it as the one name that may differ.
    runtime.force_backend("FLASH_ATTN_DIFFKV");
    faults.same("after a global force", runtime.select(problem).backend(), "FLASH_ATTN_DIFFKV");
    runtime.force_backend("");
    faults.same("after the force is gone", runtime.select(problem).backend(), first);

    const attnrt_problem cpu = runtime.problem("cpu:avx2");
    if (i % 2 == 0) {
      fs::copy_file(fs::path(tests::plugin_path("feature_support", {"cpu"})) / "sheets_feature_support_cpu.so", extra);
      runtime.rescan();
      const ForceBackend only(runtime, "CPU_ATTN");
      faults.same("after a plugin came", runtime.select(cpu).backend(), "CPU_ATTN");
    } else {
      fs::remove(extra);
      runtime.rescan();
      faults.same("after a plugin went", runtime.try_select(cpu).backend(), "FLEX_ATTENTION");
      try {
        const ForceBackend gone(runtime, "CPU_ATTN");
        faults.add("CPU_ATTN can be forced although its plugin is gone");
      } catch (const Error&) {
      }
    }
  }
  stop = true;
  for (std::thread& t : threads) t.join();
  CHECK(faults.all() == std::vector<std::string>{});
  CHECK(selections > 100);
  CHECK(logged > 0);
}
