// SPDX-License-Identifier: Apache-2.0
//
// attnrt-probe FILE IDENTITY: loads one plugin so that the host need not be the first. A child of its own does so
// (supervise.hpp). Descriptor 3 tells what that will do next ("stage ..."), the libraries that the plugin brought in
// ("library PATH"), what became of it ("verdict STATE SENTENCE") and how the child ended ("end ..."); a plugin that
// crashes, hangs or exits leaves the last stage behind. Destructors run after the verdict, as a stage. IDENTITY is the
// file's state on disk (file_identity.hpp) when the host judged it. Started by the core's probe.cpp.
// attnrt-probe --cuda: initialises CUDA and tells its devices (cuda_list.hpp). Started by the core's cuda_helper.cpp.
#include <fenv.h>
#include <limits.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "cuda_list.hpp"
#include "device.hpp"
#include "file_identity.hpp"
#include "loader.hpp"
#include "op.hpp"
#include "sample.hpp"
#include "supervise.hpp"

namespace {

using namespace attnrt::core;

/// Where the supervisor listens, and what it was when it was handed over: a plugin may have closed it and opened a file
/// of its own under the same number.
int listener = -1;
ino_t listener_inode = 0;

void say(const std::string& line) {
  struct stat now {};
  if (fstat(listener, &now) != 0 || !S_ISFIFO(now.st_mode) || now.st_ino != listener_inode) _exit(3);
  const std::string text = line + "\n";
  [[maybe_unused]] const ssize_t written = write(listener, text.data(), text.size());
}

/// What is about to be called; said before it is.
std::string current;
void enter(const std::string& stage) {
  current = stage;
  say("stage " + stage);
}

[[noreturn]] void conclude(State state, const std::string& sentence) {
  say(std::string("verdict ") + state_name(state) + (sentence.empty() ? "" : " " + sentence));
  if (state != State::loaded) _exit(0);
  enter("unload (its destructors)");
  exit(0);
}

std::set<std::string> mapped_libraries() {
  std::set<std::string> out;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* all) {
        char real[PATH_MAX];
        if (info->dlpi_name && info->dlpi_name[0] == '/' && realpath(info->dlpi_name, real))
          static_cast<std::set<std::string>*>(all)->insert(real);
        return 0;
      },
      &out);
  return out;
}

/// What a library must leave as it was.
struct Surroundings {
  sigset_t mask{};
  std::string locale;
  int rounding = 0;
  unsigned control = 0;
  long threads = 0;

  static Surroundings now() {
    Surroundings s;
    pthread_sigmask(SIG_SETMASK, nullptr, &s.mask);
    s.locale = setlocale(LC_ALL, nullptr);
    s.rounding = fegetround();
#if defined(__x86_64__)
    s.control = __builtin_ia32_stmxcsr() & ~0x3fu;  // without the sticky exception flags
#endif
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) ++s.threads;
    return s;
  }
  /// "" or what changed. An op may start threads of its own, a load may not.
  std::string changed(const Surroundings& after, bool threads_too) const {
    for (int n = 1; n < 65; ++n)
      if (sigismember(&mask, n) != sigismember(&after.mask, n)) return "changes the signal mask";
    if (locale != after.locale) return "changes the locale from " + locale + " to " + after.locale;
    if (rounding != after.rounding || control != after.control) return "changes the floating-point mode";
    if (threads_too && threads != after.threads)
      return "starts threads: " + std::to_string(after.threads) + " run, " + std::to_string(threads) + " ran before";
    return "";
  }
};

void check_surroundings(const Surroundings& before, bool loading) {
  if (const std::string what = before.changed(Surroundings::now(), loading); !what.empty())
    conclude(State::invalid, what + (loading ? " when loaded" : " when called") + ", wanted all left as it was");
}

/// Asks for every device type that the plugin names, here or not, as the host will; walks every variant: supports on a
/// problem its own sheet admits, and create where this machine has the device.
void exercise(const attnrt_plugin& plugin, const std::vector<DeviceReport>& machine) {
  attnrt::sdk::DiagSink said(attnrt::sdk::DiagSink::Keep::count);
  const attnrt_diag& diag = *said.get();
  const Host host(nullptr, nullptr);
  std::map<int32_t, bool> usable;
  for (uint32_t b = 0; b < plugin.num_backends; ++b)
    for (uint32_t v = 0; v < plugin.backends[b]->num_variants; ++v) {
      const attnrt_variant& variant = *plugin.backends[b]->variants[v];
      const std::string name = std::string(plugin.backends[b]->name) + "/" + variant.name;
      attnrt_problem problem = attnrt::probe::sample_problem(*variant.caps);
      if (plugin.available && !usable.contains(problem.device_type)) {
        enter("available");
        usable[problem.device_type] = plugin.available({problem.device_type, 0}, &diag) == ATTNRT_OK;
      }
      if (variant.supports) {
        enter("supports of " + name);
        variant.supports(&variant, &problem, &diag);
      }
      if (variant.kv_layout && problem.block_size) {
        enter("kv_layout of " + name);
        attnrt_kv_layout layout{};
        layout.struct_size = sizeof layout;
        variant.kv_layout(&variant, &problem, &layout, &diag);
      }
      const auto real = std::find_if(machine.begin(), machine.end(), [&problem](const DeviceReport& r) {
        return r.present && r.device.type == problem.device_type;
      });
      if (real == machine.end() || (variant.caps->isa & ~real->device.isa)) continue;
      if (plugin.available && !usable[problem.device_type]) continue;
      enter("create of " + name);
      problem.isa = real->device.isa;
      if (problem.device_type != ATTNRT_DEVICE_CPU) problem.arch = real->device.arch;
      attnrt_kernel_op* op = nullptr;
      if (variant.create(&variant, &host.face(), &problem, {problem.device_type, 0}, &op, &diag) == ATTNRT_OK && op) {
        enter("destroy of " + name);
        variant.destroy(op);
      }
    }
}

/// The work of the supervised child.
void probe_plugin(int descriptor, void* arg) {
  const char* const* argv = static_cast<const char* const*>(arg);
  struct stat info {};
  listener = descriptor;
  if (fstat(listener, &info) == 0) listener_inode = info.st_ino;
  const std::filesystem::path file = argv[1];
  if (stat(file.c_str(), &info) != 0 || FileIdentity::of(info).text() != argv[2])
    conclude(State::unprobed, "the file changed while it was judged, wanted a rescan");
  const Inspection inspection = inspect(file);
  if (inspection.state != State::loaded) conclude(inspection.state, inspection.sentence);
  const std::vector<DeviceReport> machine = detect_devices();
  std::set<std::string> known = mapped_libraries();
  const Surroundings before = Surroundings::now();
  try {
    enter("load (its constructors and attnrt_plugin_query)");
    const Loaded loaded = load({file, FileIdentity::of(info), inspection});
    if (loaded.state != State::loaded) conclude(loaded.state, loaded.sentence);
    check_surroundings(before, true);
    exercise(*loaded.plugin, machine);
    check_surroundings(before, false);
  } catch (...) {
    conclude(State::invalid, "an exception came across the ABI from " + current + ", wanted a status");
  }
  known.insert(std::filesystem::canonical(file).string());
  for (const std::string& library : mapped_libraries())
    if (!known.contains(library)) say("library " + library);
  conclude(State::loaded, "");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--cuda") return attnrt::probe::list_cuda(3);
  if (argc != 3) {
    std::fprintf(stderr, "usage: attnrt-probe FILE.so IDENTITY, or attnrt-probe --cuda (answers go to descriptor 3)\n");
    return 2;
  }
  return attnrt::probe::supervise(3, &probe_plugin, argv);
}
