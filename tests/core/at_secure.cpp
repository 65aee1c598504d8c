// SPDX-License-Identifier: Apache-2.0
//
// at_secure CPU_ATTN PRIORITY_TABLE: what a program that runs with rights of another user takes from its environment.
// Copies itself beside a default plugin folder and a shipped table, once as it is and once as set-user-ID of another
// user, and runs both with variables that name another plugin folder, table and cache. Exit status 77: this cannot be
// tried here.
#include <attnrt/attnrt.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

namespace fs = std::filesystem;
namespace {

constexpr uid_t kOther = 65534;  // nobody

bool require(bool ok, const std::string& sentence) {
  if (!ok) std::fprintf(stderr, "at_secure: %s\n", sentence.c_str());
  return ok;
}

/// Opens the library under the variables that `root` was given and says what came of them.
int look(bool secure, const fs::path& root) {
  if ((getauxval(AT_SECURE) != 0) != secure) return 77;
  attnrt_options options{};
  options.struct_size = sizeof options;
  options.probe = ATTNRT_PROBE_NEVER;
  attnrt_runtime* runtime = nullptr;
  if (!require(attnrt_open(&options, &runtime) == ATTNRT_OK, attnrt_last_error())) return 1;
  const auto document = [](attnrt_status status, attnrt_text* text) {
    std::string out = status == ATTNRT_OK ? attnrt_text_data(text) : attnrt_last_error();
    attnrt_text_free(text);
    return out;
  };
  attnrt_text *list = nullptr, *table = nullptr, *doctor = nullptr;
  attnrt_status status = attnrt_list(runtime, &list);
  const std::string plugins = document(status, list);
  status = attnrt_priority(runtime, &table);
  const std::string priority = document(status, table);
  status = attnrt_doctor(runtime, &doctor);
  const std::string findings = document(status, doctor);
  const auto has = [](const std::string& text, const fs::path& path) {
    return text.find(path.string()) != std::string::npos;
  };
  bool ok = require(has(plugins, root / "user" / "plugins") != secure, "plugins are those of " + plugins);
  ok &= require(has(plugins, root / "lib" / "attnrt" / "plugins") == secure, "plugins are those of " + plugins);
  ok &= require(has(priority, root / "user" / "priority.json") != secure, "the table is " + priority);
  ok &= require((findings.find("has rights that its user lacks") != std::string::npos) == secure,
                "doctor says " + findings);
  status = attnrt_record(runtime, "CPU_ATTN", "portable", "cpu", "tried", 1);
  ok &= require(status == (secure ? ATTNRT_UNAVAILABLE : ATTNRT_OK), std::string("record: ") + attnrt_last_error());

  // What an option names holds all the same.
  attnrt_close(runtime);
  const std::string named = root / "user" / "plugins";
  options.plugin_path = named.c_str();
  if (!require(attnrt_open(&options, &runtime) == ATTNRT_OK, attnrt_last_error())) return 1;
  list = nullptr;
  status = attnrt_list(runtime, &list);
  ok &= require(has(document(status, list), named), "the option's folder was not searched");
  attnrt_close(runtime);
  return ok ? 0 : 1;
}

int run(const fs::path& program, const char* mode, const fs::path& root) {
  const std::string variables[] = {"ATTNRT_PLUGIN_PATH=" + (root / "user" / "plugins").string(),
                                   "ATTNRT_PRIORITY=" + (root / "user" / "priority.json").string(),
                                   "XDG_CACHE_HOME=" + (root / "user" / "cache").string(),
                                   "HOME=" + (root / "user").string()};
  char* environment[5] = {};
  for (int i = 0; i < 4; ++i) environment[i] = const_cast<char*>(variables[i].c_str());
  const std::string path = program.string(), place = root.string();
  char* arguments[] = {const_cast<char*>(path.c_str()), const_cast<char*>(mode), const_cast<char*>(place.c_str()),
                       nullptr};
  pid_t child = 0;
  int status = -1;
  if (posix_spawn(&child, path.c_str(), nullptr, nullptr, arguments, environment) != 0 ||
      waitpid(child, &status, 0) != child)
    return 1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && (std::strcmp(argv[1], "--plain") == 0 || std::strcmp(argv[1], "--secure") == 0))
    return look(std::strcmp(argv[1], "--secure") == 0, argv[2]);
  if (argc != 3) return 2;
  if (geteuid() != 0) {
    std::puts("skipped: a set-user-ID program of another user can be made by root alone");
    return 77;
  }
  std::string name = (fs::temp_directory_path() / "attnrt-XXXXXX").string();
  if (!require(mkdtemp(name.data()) != nullptr, "no temporary folder")) return 1;
  const fs::path root = fs::canonical(name);
  fs::permissions(root, fs::perms(0755));
  for (const char* folder : {"bin", "lib/attnrt/plugins", "share/attnrt/configs", "user/plugins", "user/cache"})
    fs::create_directories(root / folder);
  fs::copy_file(argv[1], root / "lib/attnrt/plugins/cpu_attn.so");
  fs::copy_file(argv[1], root / "user/plugins/cpu_attn.so");
  fs::copy_file(argv[2], root / "share/attnrt/configs/priority.json");
  fs::copy_file(argv[2], root / "user/priority.json");
  const fs::path plain = root / "bin/plain", secure = root / "bin/secure";
  fs::copy_file("/proc/self/exe", plain);
  fs::copy_file("/proc/self/exe", secure);
  int result = 1;
  if (require(chown(secure.c_str(), kOther, static_cast<gid_t>(-1)) == 0 && chmod(secure.c_str(), 04755) == 0,
              "chown or chmod failed")) {
    result = run(plain, "--plain", root);
    if (result == 0) result = run(secure, "--secure", root);
  }
  if (result == 77) std::printf("skipped: %s does not let a program change its user (nosuid)\n", root.c_str());
  fs::remove_all(root);
  return result;
}
