// SPDX-License-Identifier: Apache-2.0
#include "host_compiler.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <vector>

#include "fault.hpp"
#include "service.hpp"
#include "sha256.hpp"

extern char** environ;

namespace attnrt::emulator::amd {
namespace {

constexpr const char* kOptions[] = {"-O1", "-relocation-model=pic", "-filetype=obj"};
constexpr int kVersion = 22;
constexpr const char* kLlcVariable = "ATTNRT_EMULATOR_LLC";

bool can_run(const std::string& file) { return access(file.c_str(), X_OK) == 0; }

// llc of this version exactly: another one reads another syntax. "" where there is none.
const std::string& llc() {
  static const std::string found = [] {
    if (const char* const own = std::getenv(kLlcVariable); own && *own) return std::string(can_run(own) ? own : "");
    const std::string name = say("llc-", kVersion), folder = say("/usr/lib/llvm-", kVersion, "/bin/llc");
    const char* const path = std::getenv("PATH");
    std::istringstream list(path ? path : "/usr/bin");
    for (std::string place; std::getline(list, place, ':');)
      if (can_run(place + "/" + name)) return place + "/" + name;
    return can_run(folder) ? folder : std::string();
  }();
  return found;
}

// A CPU that all of a kind share, so that they share what is compiled: with AVX2 where there is one.
const char* processor() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? "x86-64-v3" : "x86-64";
}

// ATTNRT_EMULATOR_CACHE, or the user's own cache. Its folders are made as they are missed.
std::string cache_folder() {
  std::string folder;
  const char* const own = std::getenv("ATTNRT_EMULATOR_CACHE");
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  const char* const home = std::getenv("HOME");
  if (own && *own)
    folder = own;
  else if (cache && *cache)
    folder = std::string(cache) + "/attnrt/emulator";
  else if (home && *home)
    folder = std::string(home) + "/.cache/attnrt/emulator";
  else
    throw TextFault("there is no folder for compiled kernels: neither ATTNRT_EMULATOR_CACHE nor HOME is set");
  for (std::size_t at = 1; at != std::string::npos;) {
    at = folder.find('/', at + 1);
    mkdir(folder.substr(0, at).c_str(), 0700);
  }
  if (access(folder.c_str(), W_OK) != 0)
    throw TextFault(say(folder, " cannot be written, wanted a folder for compiled kernels"));
  return folder;
}

// Runs a program to its end. What it writes goes to a file, whose first line a failure tells.
void run(std::vector<std::string> words, const std::string& log) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  pid_t child = 0;
  const int error = posix_spawnp(&child, arguments[0], &files, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (error) throw TextFault(say(words[0], " cannot be started: ", std::strerror(error)));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  std::string told;
  std::getline(std::ifstream(log), told);
  unlink(log.c_str());
  if (!WIFEXITED(status) || WEXITSTATUS(status)) throw TextFault(say(words[0], " refuses the kernel: ", told));
}

void write_file(const std::string& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw TextFault(say(file, " cannot be written"));
}

// Compiled beside the place and moved there whole, so that processes may do the same at the same time.
void build(const std::string& text, const std::string& target) {
  const std::string own = say(target, ".", getpid(), ".", reinterpret_cast<uintptr_t>(&text));
  const std::string source = own + ".ll", object = own + ".o", library = own + ".so", log = own + ".log";
  struct Remove {
    std::vector<std::string> files;
    ~Remove() {
      for (const std::string& file : files) unlink(file.c_str());
    }
  } const remove{{source, object, library}};
  write_file(source, text);
  std::vector<std::string> words{llc()};
  words.insert(words.end(), std::begin(kOptions), std::end(kOptions));
  words.insert(words.end(), {say("-mcpu=", processor()), "-o", object, source});
  run(words, log);
  // Nothing may be left undefined but what every process has.
  run({"ld", "-shared", "-z", "now", "-z", "defs", "-o", library, object}, log);
  if (rename(library.c_str(), target.c_str()) != 0)
    throw TextFault(say(target, " cannot be written: ", std::strerror(errno)));
}

KernelCode load(const std::string& file) {
  void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw TextFault(say("a compiled kernel cannot be loaded: ", dlerror()));
  void* const table = dlsym(library, kServiceTable);
  void* const symbol = dlsym(library, "attnrt_kernel");
  if (!table || !symbol) throw TextFault(say(file, " is no compiled kernel"));
  std::memcpy(table, service_table, sizeof service_table);
  KernelCode code = nullptr;
  std::memcpy(&code, &symbol, sizeof code);
  return code;
}

}  // namespace

std::string missing_compiler() {
  if (!llc().empty()) return {};
  const std::string what = say("the emulator compiles AMD's kernels for this CPU by LLVM ", kVersion, " and ");
  if (const char* const own = std::getenv(kLlcVariable); own && *own)
    return say(what, kLlcVariable, " is ", own, ", which cannot be run");
  return say(what, "finds no llc-", kVersion, " in PATH and no /usr/lib/llvm-", kVersion, "/bin/llc (Debian: llvm-",
             kVersion, ")");
}

KernelCode compile(const std::string& text) {
  static std::mutex mutex;
  static std::map<std::string, KernelCode> loaded;
  if (const std::string missing = missing_compiler(); !missing.empty()) throw TextFault(missing);
  std::string all = say(kVersion, " ", processor());
  for (const char* option : kOptions) all += say(" ", option);
  all += "\n" + text;
  const std::string key = sha256(all.data(), all.size());
  const std::lock_guard lock(mutex);
  if (const auto found = loaded.find(key); found != loaded.end()) return found->second;
  const std::string file = cache_folder() + "/" + key + ".so";
  if (access(file.c_str(), R_OK) != 0) build(text, file);
  return loaded[key] = load(file);
}

}  // namespace attnrt::emulator::amd
