// SPDX-License-Identifier: Apache-2.0
//
// attnrt-verify FILE BACKEND VARIANT CHECK DEPTH SEED ISA: one check of the conformance kit on one variant ("image" of no
// variant checks the library itself), so that a plugin that crashes ends this process and not `attnrt verify`, which
// starts it. Says on descriptor 3, a JSON object a line: what comes next, each finding, what killed it, the end.
#include <dlfcn.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "conformance/checks.hpp"
#include "conformance/fenced_memory.hpp"
#include "conformance/image.hpp"

namespace {

namespace json = boost::json;
using namespace attnrt::conformance;

void say(const json::object& line) {
  const std::string text = json::serialize(line) + "\n";
  [[maybe_unused]] const ssize_t written = write(3, text.data(), text.size());
}

// Lives as long as the process, for the handler below.
FencedMemory& fenced() {
  static auto* memory = new FencedMemory;
  return *memory;
}

// The process is lost: what is not safe in a handler can make it no worse, and a word about the place is worth much.
void die_with_a_word(int number, siginfo_t* info, void*) {
  const std::string where = number == SIGSEGV || number == SIGBUS ? fenced().whereabouts(info->si_addr) : "";
  const std::string name = std::string("SIG") + sigabbrev_np(number);
  say({{"died", name}, {"where", where}});
  _exit(1);
}

void watch_signals() {
  static char stack[1 << 16];
  const stack_t alternate{stack, 0, sizeof stack};
  sigaltstack(&alternate, nullptr);
  struct sigaction action {};
  action.sa_sigaction = &die_with_a_word;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND;
  for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) sigaction(number, &action, nullptr);
}

int refuse(const std::string& sentence) {
  say({{"error", sentence}});
  return 2;
}

const attnrt_variant* find(const attnrt_plugin& plugin, const std::string& backend, const std::string& variant) {
  for (uint32_t b = 0; b < plugin.num_backends; ++b)
    for (uint32_t v = 0; v < plugin.backends[b]->num_variants && backend == plugin.backends[b]->name; ++v)
      if (variant == plugin.backends[b]->variants[v]->name) return plugin.backends[b]->variants[v];
  return nullptr;
}

void report(const Findings& findings) {
  for (const Finding& f : findings)
    say({{"check", f.check}, {"where", f.where}, {"pass", f.pass}, {"skipped", f.skipped}, {"sentence", f.sentence}});
  say({{"end", true}});
}

int verify(char** words) {
  const std::string file = words[1], backend = words[2], variant = words[3], name = words[4], depth = words[5];
  void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) return refuse(dlerror());
  attnrt_plugin_query_fn query = nullptr;
  void* symbol = dlsym(handle, ATTNRT_PLUGIN_QUERY);
  std::memcpy(&query, &symbol, sizeof query);
  const attnrt_plugin* plugin = query ? query(ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR) : nullptr;
  if (!plugin) return refuse("attnrt_plugin_query gave no table");
  if (name == "image") {
    report(check_image(handle, *plugin));
    return 0;
  }
  const attnrt_variant* subject = find(*plugin, backend, variant);
  if (!subject) return refuse("there is no variant " + backend + "/" + variant);
  CheckOptions options;
  options.depth = depth == "quick" ? Depth::quick : depth == "all" ? Depth::all : Depth::normal;
  options.seed = std::strtoull(words[6], nullptr, 10);
  options.isa = std::strtoull(words[7], nullptr, 16);
  options.progress = [](std::size_t done, std::size_t total, const std::string& next) {
    say({{"next", next}, {"done", done}, {"total", total}});
  };
  if (subject->caps->device_type != ATTNRT_DEVICE_CPU) {
    report({{name, variant, true, "the kit has no memory on this kind of device", true}});
    return 0;
  }
  for (const Check& check : variant_checks())
    if (name == check.name) {
      report(check.run(*subject, fenced(), options));
      return 0;
    }
  return refuse("there is no check '" + name + "'");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr, "usage: attnrt-verify FILE BACKEND VARIANT CHECK DEPTH SEED ISA (it is started by attnrt verify)\n");
    return 2;
  }
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  watch_signals();
  const int status = verify(argv);
  _exit(status);  // no destructors: what the plugin left behind is not ours to run
}
