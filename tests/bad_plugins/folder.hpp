// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <map>
#include <string>
#include <vector>

#include "engine.hpp"

namespace fs = std::filesystem;

inline fs::path bad_plugin(const std::string& name) { return fs::path(ATTNRT_TEST_FIXTURES) / (name + ".so"); }

/// What `attnrt_list` says of one file.
struct Told {
  std::string state, sentence;
};

inline std::map<std::string, Told> told(const std::string& list) {
  std::map<std::string, Told> out;
  const boost::json::value document = boost::json::parse(list);
  for (const auto& plugin : document.at("plugins").as_array())
    out[plugin.at("file").as_string().c_str()] = {plugin.at("state").as_string().c_str(),
                                                  plugin.at("sentence").as_string().c_str()};
  return out;
}

/// A plugin folder, a cache folder and a folder for the traces that plugins leave when they are loaded.
class Folder {
 public:
  Folder() {
    fs::create_directory(plugins());
    fs::create_directory(traces_);
  }
  fs::path plugins() const { return scratch_.path() / "plugins"; }
  fs::path cache() const { return scratch_.path() / "attnrt"; }  // as XDG_CACHE_HOME=path() has it
  fs::path path() const { return scratch_.path(); }
  fs::path install(const std::string& name) const { return install(bad_plugin(name), name + ".so"); }
  fs::path install(const fs::path& from, const std::string& name) const {
    fs::copy_file(from, scratch_.path() / "incoming", fs::copy_options::overwrite_existing);
    fs::rename(scratch_.path() / "incoming", plugins() / name);
    return plugins() / name;
  }
  fs::path write(const std::string& name, const std::string& bytes) const {
    return scratch_.write("plugins/" + name, bytes);
  }

  /// Listens to no variable, probes, remembers in the folder's own cache.
  attnrt::Options options(uint32_t probe = ATTNRT_PROBE_AUTO) const {
    attnrt::Options options = only_plugins(plugins().string());
    options.probe = probe;
    options.cache_folder = cache().string();
    return options;
  }
  std::map<std::string, Told> open(uint32_t probe = ATTNRT_PROBE_AUTO) const {
    return told(attnrt::Runtime(options(probe)).list());
  }

  /// The processes other than this one that loaded a plugin, each with the descriptors that it had.
  std::map<pid_t, std::string> loaders(const std::string& name) const {
    std::map<pid_t, std::string> out;
    for (const auto& entry : fs::directory_iterator(traces_)) {
      const std::string file = entry.path().filename().string();
      if (!file.starts_with(name + ".")) continue;
      const pid_t pid = std::stoi(file.substr(name.size() + 1));
      if (pid != getpid()) out[pid] = read_bytes(entry.path());
    }
    return out;
  }

 private:
  Scratch scratch_;
  fs::path traces_ = scratch_.path() / "traces";
  EnvironmentVariable trace_{"BAD_PLUGIN_TRACE", traces_.string()};
};

/// Runs a shell line; its exit status.
inline int shell(const std::string& line) {
  const int status = std::system(line.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// The process is gone, or waits for nobody but its parent; tried for two seconds.
inline bool gone(pid_t pid) {
  for (int i = 0; i < 200; ++i) {
    const std::string status = read_bytes("/proc/" + std::to_string(pid) + "/stat");
    if (status.empty() || status.find(") Z") != std::string::npos) return true;
    usleep(10000);
  }
  return false;
}

/// CPU_ATTN of this runtime computes what it should.
inline void check_cpu_attn(const attnrt::Runtime& runtime) {
  Step step(true);
  const attnrt::Choice choice = runtime.select(small_problem(runtime, ATTNRT_KV_NHD));
  CHECK(choice.backend() == "CPU_ATTN");
  const attnrt::Op op = runtime.op(choice);
  attnrt::Plan plan = op.plan(step.limits);
  op.write_kv(step.write);
  plan.update(step.batch);
  plan.run(step.run);
  CHECK(step.error() < 1e-5);
}
