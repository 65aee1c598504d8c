// SPDX-License-Identifier: Apache-2.0
//
// attnrt-probe FILE: loads one plugin so that the host need not be the first. Says on descriptor 3 what it will do next
// ("stage ...") and what became of it ("verdict STATE SENTENCE"); a plugin that crashes, hangs or exits leaves the last
// stage behind. Started by the core's probe.cpp.
#include <fenv.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>

#include "device.hpp"
#include "loader.hpp"
#include "op.hpp"
#include "sample.hpp"

namespace {

using namespace attnrt::core;

void say(const std::string& line) {
  const std::string text = line + "\n";
  [[maybe_unused]] const ssize_t written = write(3, text.data(), text.size());
}

/// What is about to be called; said before it is.
std::string current;
void enter(const std::string& stage) {
  current = stage;
  say("stage " + stage);
}

[[noreturn]] void conclude(State state, const std::string& sentence) {
  say(std::string("verdict ") + state_name(state) + (sentence.empty() ? "" : " " + sentence));
  _exit(0);  // no destructors: what the plugin left behind is not ours to run
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

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: attnrt-probe FILE.so (verdicts go to descriptor 3)\n");
    return 2;
  }
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a plugin that hangs must not outlive a host that was ended meanwhile
  const Inspection inspection = inspect(argv[1]);
  if (inspection.state != State::loaded) conclude(inspection.state, inspection.sentence);
  const std::vector<DeviceReport> machine = detect_devices();
  const Surroundings before = Surroundings::now();
  try {
    enter("load (its constructors and attnrt_plugin_query)");
    const Loaded loaded = load(argv[1], inspection);
    if (loaded.state != State::loaded) conclude(loaded.state, loaded.sentence);
    check_surroundings(before, true);
    exercise(*loaded.plugin, machine);
    check_surroundings(before, false);
  } catch (...) {
    conclude(State::invalid, "an exception came across the ABI from " + current + ", wanted a status");
  }
  conclude(State::loaded, "");
}
