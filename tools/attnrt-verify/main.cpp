// SPDX-License-Identifier: Apache-2.0
//
// attnrt-verify FILE BACKEND VARIANT CHECK DEPTH SEED ISA: one check of the conformance kit on one variant ("image" of
// no variant checks the library itself), so that a plugin that crashes ends this process and not `attnrt verify`, which
// starts it. Says on descriptor 3, a JSON object a line: the device, what comes next, each finding, what killed it, the
// end. What passes on the SDK's emulator (ATTNRT_CUDA_DRIVER) is told as "emulated".
#include <dlfcn.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "attnrt/gpu_driver.hpp"
#include "conformance/availability.hpp"
#include "conformance/checks.hpp"
#include "conformance/gpu_memory.hpp"
#include "conformance/fenced_memory.hpp"
#include "conformance/image.hpp"
#include "conformance/refusals.hpp"
#include "conformance/system_driver.hpp"

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
  action.sa_flags = static_cast<int>(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND);
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

// The symbol of a library; NULL where there is none.
template <class Function>
Function symbol_of(void* library, const char* name) {
  Function function = nullptr;
  void* symbol = library ? dlsym(library, name) : nullptr;
  std::memcpy(&function, &symbol, sizeof symbol);
  return function;
}

/// The memory that a variant's tensors live in, and its device as ledgers name it.
struct Place {
  std::unique_ptr<Memory> own;
  Memory* memory = nullptr;
  std::string device;
  std::string absent;   ///< why there is no such device here
  std::string trouble;  ///< what its driver answered: there is one, and it does not serve
};

/// `lost` is told of an error that ends the device's context.
Place place_of(const attnrt_caps& caps, std::function<void(const std::string&)> lost) {
  Place place;
  if (caps.device_type == ATTNRT_DEVICE_CPU) {
    place.memory = &fenced();
    place.device = "cpu";
    return place;
  }
  const attnrt::sdk::GpuDriver* const driver = system_driver(caps.device_type, place.absent);
  if (!driver) return place;
  const bool emulated = is_emulated(caps.device_type);
  auto memory = std::make_unique<GpuMemory>(*driver, 0, emulated);
  place.trouble = memory->trouble();
  if (!place.trouble.empty()) return place;
  memory->when_lost(std::move(lost));
  place.own = std::move(memory);
  place.memory = place.own.get();
  place.device = (emulated ? "emulated " : "") + device_kind(caps.device_type, place.memory->arch());
  return place;
}

int verify(char** words) {
  const std::string file = words[1], backend = words[2], variant = words[3], name = words[4], depth = words[5];
  void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) return refuse(dlerror());
  const auto query = symbol_of<attnrt_plugin_query_fn>(handle, ATTNRT_PLUGIN_QUERY);
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
  options.host_checks = leaves_checks_to_host(*plugin);
  options.progress = [](std::size_t done, std::size_t total, const std::string& next) {
    say({{"next", next}, {"done", done}, {"total", total}});
  };
  // As long as the process: what the plugin keeps of the device may outlive this function.
  static Place place;
  place = place_of(*subject->caps, [](const std::string& sentence) {
    // All later calls would answer the same, and say nothing of the cases that they were made for.
    say({{"error", "the device is lost: " + sentence}});
    _exit(1);
  });
  if (!place.memory) {
    const bool absent = !place.absent.empty();
    report({{name, variant, absent, absent ? place.absent : place.trouble, absent}});
    return 0;
  }
  options.arch = place.memory->arch();
  GridOptions grid;
  grid.isa = options.isa;
  grid.arch = options.arch;
  if (const std::string why = unavailable_here(*subject, *place.memory, grid); !why.empty()) {
    report({{name, variant, true, why, true}});
    return 0;
  }
  say({{"device", place.device}});
  for (const Check& check : variant_checks())
    if (name == check.name) {
      report(check.run(*subject, *place.memory, options));
      return 0;
    }
  return refuse("there is no check '" + name + "'");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr,
                 "usage: attnrt-verify FILE BACKEND VARIANT CHECK DEPTH SEED ISA (it is started by attnrt verify)\n");
    return 2;
  }
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // What a case needed serves the next one: memory that goes back to the kernel comes again page by page.
  mallopt(M_MMAP_THRESHOLD, 1 << 25);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  watch_signals();
  const int status = verify(argv);
  // The emulator writes which instructions ran.
  if (const char* const emulator = secure_getenv(attnrt::sdk::kCudaDriverVariable))
    if (const auto flush = symbol_of<void (*)()>(dlopen(emulator, RTLD_NOW | RTLD_NOLOAD), "attnrt_emulator_flush"))
      flush();
  _exit(status);  // no destructors: what the plugin left behind is not ours to run
}
