// SPDX-License-Identifier: Apache-2.0
//
// A plugin with one fault. Compiled many times: BAD_DEED is done at BAD_PLACE, BAD_TABLE spoils the tables, BAD_NOTE_*
// the ELF note; all default to nothing, which makes a plugin that loads and computes nothing.
#include <attnrt/plugin.h>

#include <dirent.h>
#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef BAD_DEED
#define BAD_DEED nothing
#endif
#ifndef BAD_PLACE
#define BAD_PLACE nowhere
#endif
#ifndef BAD_TABLE
#define BAD_TABLE right
#endif
#ifndef BAD_BACKEND
#define BAD_BACKEND ATTNRT_PLUGIN_NAME
#endif
#ifndef BAD_NOTE_MAJOR
#define BAD_NOTE_MAJOR ATTNRT_ABI_MAJOR
#endif
#ifndef BAD_NOTE_MINOR
#define BAD_NOTE_MINOR ATTNRT_ABI_MINOR
#endif
#ifndef BAD_NOTE_SANITIZERS
#define BAD_NOTE_SANITIZERS ATTNRT_SANITIZERS
#endif

namespace {

enum class Place { nowhere, constructor, query, available, supports, kv_layout, create, destroy, destructor };
enum class Deed {
  nothing, crash, hang, hang_mute, leave, throw_it, abort_it, timer, killed, stop, slow, flood, hog, reuse, leave_process,
  leave_session, thread, mask, locale, rounding, flush, say_null, say_much
};
enum class Table {
  right, null_plugin, null_backend, null_variant, null_caps, null_run, size_zero, size_huge, long_name, long_summary,
  many_backends, past_the_array, past_the_text, two_variants_one_name, two_backends_one_name, other_name, other_abi,
  unknown_bits, future_minor, latin_texts
};
constexpr Place place = Place::BAD_PLACE;
constexpr Deed deed = Deed::BAD_DEED;
constexpr Table table = Table::BAD_TABLE;
constexpr bool speaks = deed == Deed::say_null || deed == Deed::say_much;

/// The default action: a sanitizer's own handler would turn a signal into an exit.
[[noreturn]] void die(int signal_number) {
  signal(signal_number, SIG_DFL);
  raise(signal_number);
  _exit(99);
}

/// Where BAD_PLUGIN_TRACE names a folder: says which process loaded this, and which descriptors it had.
void trace() {
  const char* folder = getenv("BAD_PLUGIN_TRACE");
  if (!folder) return;
  char text[4096] = "", file[512];
  size_t length = 0;
  if (DIR* open_files = opendir("/proc/self/fd")) {
    while (const dirent* entry = readdir(open_files)) {
      char target[256] = "";
      const int fd = atoi(entry->d_name);
      if (entry->d_name[0] == '.' || fd == dirfd(open_files)) continue;
      if (readlinkat(dirfd(open_files), entry->d_name, target, sizeof target - 1) <= 0 || length > 3500) continue;
      length += static_cast<size_t>(snprintf(text + length, sizeof text - length, "%d %s\n", fd, target));
    }
    closedir(open_files);
  }
  snprintf(file, sizeof file, "%s/%s.%d", folder, ATTNRT_PLUGIN_NAME, getpid());
  const int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return;
  dprintf(fd, "%d\n%s", getpid(), text);
  close(fd);
}

/// Leaves a process behind, as a daemon one that is no child of this, of another group and session.
void leave(bool as_daemon) {
  int ends[2];
  if (pipe(ends) != 0) return;
  if (fork() == 0) {
    if (as_daemon) setsid();
    if (as_daemon && fork() != 0) _exit(0);
    trace();
    close(ends[1]);
    for (;;) pause();
  }
  close(ends[1]);
  char none;
  if (read(ends[0], &none, 1) != 0) die(SIGABRT);  // until it has left its trace
  close(ends[0]);
}

[[noreturn]] void* wait_for_ever(void*) {
  for (;;) pause();
}

[[maybe_unused]] void do_deed() {
  switch (deed) {
    case Deed::nothing:
    case Deed::say_null:
    case Deed::say_much: return;
    case Deed::crash: {
      signal(SIGSEGV, SIG_DFL);
      volatile int* volatile nowhere = nullptr;
      *nowhere = 1;
      return;
    }
    case Deed::hang:
      for (;;) usleep(1000);
    case Deed::hang_mute:  // nobody hears of it any more
      for (int fd = 0; fd < 64; ++fd) close(fd);
      for (;;) usleep(1000);
    case Deed::leave: exit(3);
    case Deed::throw_it: throw "across the boundary";
    case Deed::abort_it: die(SIGABRT);
    case Deed::timer: die(SIGRTMIN + 2);
    case Deed::killed: die(SIGKILL);  // as the system does when memory runs out
    case Deed::stop: raise(SIGSTOP); return;
    case Deed::slow: usleep(1000000); return;
    case Deed::hog:  // address space that can be written, 64 times 1 GiB, none of it touched
      for (int i = 0; i < 64; ++i)
        if (mmap(nullptr, size_t{1} << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) ==
            MAP_FAILED)
          die(SIGABRT);
      return;
    case Deed::reuse: {  // its own file under every number that a channel may have
      char file[512];
      snprintf(file, sizeof file, "%s.own", getenv("BAD_PLUGIN_TRACE"));
      const int own = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
      for (int fd = 3; fd < 1024; ++fd)
        if (fd != own) dup2(own, fd);
      return;
    }
    case Deed::flood: {
      static char noise[1 << 20];
      memset(noise, '\n', sizeof noise);
      for (int fd = 1; fd <= 3; ++fd)
        if (write(fd, noise, sizeof noise) < 0) break;
      die(SIGSEGV);
    }
    case Deed::leave_process:
    case Deed::leave_session: leave(deed == Deed::leave_session); return;
    case Deed::thread: {
      pthread_t thread;
      pthread_create(&thread, nullptr, &wait_for_ever, nullptr);
      return;
    }
    case Deed::mask: {
      sigset_t one;
      sigemptyset(&one);
      sigaddset(&one, SIGUSR1);
      pthread_sigmask(SIG_BLOCK, &one, nullptr);
      return;
    }
    case Deed::locale: setlocale(LC_ALL, "C.UTF-8"); return;
    case Deed::rounding: fesetround(FE_TOWARDZERO); return;
    case Deed::flush:
#if defined(__x86_64__)
      __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);  // as -ffast-math does at link time
#endif
      return;
  }
}

/// What no C string should be: none at all, or a megabyte of control codes and bytes that are no UTF-8, 100 times.
[[maybe_unused]] void say_deed(const attnrt_diag* diag) {
  if (deed == Deed::say_null)
    for (int i = 0; i < 3; ++i) diag->add(diag->self, i == 0 ? ATTNRT_WHY_OTHER : 1000 * i, nullptr);
  if (deed != Deed::say_much) return;
  static char noise[1 << 20];
  memset(noise, '\x1b', sizeof noise - 1);
  memset(noise, '\xe9', 100);
  for (int i = 0; i < 100; ++i) diag->add(diag->self, ATTNRT_WHY_OTHER, noise);
}

/// True where this place is to refuse.
template <Place here>
bool reached(const attnrt_diag* diag = nullptr) {
  if constexpr (here == place) {
    do_deed();
    if (diag) say_deed(diag);
    return speaks;
  }
  return false;
}

__attribute__((constructor)) void construct() {
  trace();
  reached<Place::constructor>();
}

__attribute__((destructor)) void destruct() { reached<Place::destructor>(); }

attnrt_status available(attnrt_device, const attnrt_diag* diag) {
  return reached<Place::available>(diag) ? ATTNRT_UNAVAILABLE : ATTNRT_OK;
}
attnrt_status supports(const attnrt_variant*, const attnrt_problem*, const attnrt_diag* diag) {
  if (speaks && place != Place::supports) return ATTNRT_OK;  // so that the other place is come to
  if (!reached<Place::supports>(diag)) diag->add(diag->self, ATTNRT_WHY_OTHER, "it computes nothing");
  return ATTNRT_UNSUPPORTED;
}
attnrt_status kv_layout(const attnrt_variant*, const attnrt_problem*, attnrt_kv_layout*, const attnrt_diag* diag) {
  return reached<Place::kv_layout>(diag) ? ATTNRT_UNSUPPORTED : ATTNRT_OK;
}
attnrt_status create(const attnrt_variant*, const attnrt_host*, const attnrt_problem*, attnrt_device,
                     attnrt_kernel_op** op, const attnrt_diag* diag) {
  static int something;
  if (reached<Place::create>(diag)) return ATTNRT_UNAVAILABLE;
  *op = reinterpret_cast<attnrt_kernel_op*>(&something);
  return ATTNRT_OK;
}
void destroy(attnrt_kernel_op*) { reached<Place::destroy>(); }
attnrt_status workspace(const attnrt_kernel_op*, const attnrt_limits*, attnrt_workspace*, const attnrt_diag*) {
  return ATTNRT_FAILED;
}
attnrt_status plan_create(const attnrt_kernel_op*, const attnrt_limits*, const attnrt_memory*, attnrt_kernel_plan**,
                          const attnrt_diag*) {
  return ATTNRT_FAILED;
}
attnrt_status plan_update(attnrt_kernel_plan*, const attnrt_batch*, attnrt_stream, const attnrt_diag*) {
  return ATTNRT_FAILED;
}
void plan_destroy(attnrt_kernel_plan*) {}
attnrt_status run(const attnrt_kernel_plan*, const attnrt_run_args*, attnrt_stream, const attnrt_diag*) {
  return ATTNRT_FAILED;
}
attnrt_status write_kv(const attnrt_kernel_op*, const attnrt_write_args*, attnrt_stream, const attnrt_diag*) {
  return ATTNRT_FAILED;
}

/// `size` bytes that end where the next page may not be touched.
void* at_the_edge(const void* from, size_t size) {
  const size_t page = 4096;
  void* pages = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return nullptr;
  char* end = static_cast<char*>(pages) + page;
  mprotect(end, page, PROT_NONE);
  return memcpy(end - size, from, size);
}

const attnrt_plugin* tables() {
  static attnrt_sizes any{sizeof(attnrt_sizes), 0, nullptr, 16, 16, 0, 0};
  static attnrt_caps caps{};
  static attnrt_variant variant{}, second{};
  static const attnrt_variant* variants[] = {&variant, &second};
  static attnrt_backend backend{sizeof(attnrt_backend), 1, BAD_BACKEND, "computes nothing", variants};
  static const attnrt_backend* backends[] = {&backend, &backend};
  static attnrt_plugin plugin{sizeof(attnrt_plugin), ATTNRT_ABI_MAJOR, ATTNRT_ABI_MINOR, 1, ATTNRT_PLUGIN_NAME,
                              ATTNRT_PLUGIN_VERSION, "bad", backends, &available, nullptr};
  static char text[100001];

  caps.struct_size = sizeof caps;
  caps.device_type = ATTNRT_DEVICE_CPU;
  caps.families = ATTNRT_FAMILY_STANDARD;
  caps.features = ATTNRT_FEATURE_CAUSAL;
  caps.q_dtypes = caps.kv_dtypes = caps.out_dtypes = 1u << ATTNRT_FP32;
  caps.attn_types = ATTNRT_ATTN_DECODER;
  caps.phases = ATTNRT_PHASES_ALL_;
  caps.kv_layouts = ATTNRT_KV_NHD;
  caps.block_sizes = caps.head_sizes = &any;
  caps.impl = "bad";
  variant = {sizeof(attnrt_variant), 0, "nothing", &caps, nullptr, &supports, &kv_layout, &create, &destroy, &workspace,
             &plan_create, &plan_update, &plan_destroy, &run, &write_kv, nullptr, nullptr};
  second = variant;

  switch (table) {
    case Table::right: break;
    case Table::null_plugin: return nullptr;
    case Table::null_backend: backends[0] = nullptr; break;
    case Table::null_variant: variants[0] = nullptr; break;
    case Table::null_caps: variant.caps = nullptr; break;
    case Table::null_run: variant.run = nullptr; break;
    case Table::size_zero: variant.struct_size = 0; break;
    case Table::size_huge: plugin.struct_size = 0xffffffff; break;
    case Table::long_name: memset(text, 'x', 65), backend.name = text; break;
    case Table::long_summary: memset(text, 'x', 100000), backend.summary = text; break;
    case Table::many_backends: plugin.num_backends = 0xffffffff; break;
    case Table::past_the_array:
      signal(SIGSEGV, SIG_DFL);
      plugin.num_backends = 200;
      plugin.backends = static_cast<const attnrt_backend* const*>(at_the_edge(backends, sizeof(backends[0])));
      break;
    case Table::past_the_text:
      signal(SIGSEGV, SIG_DFL);
      backend.summary = static_cast<const char*>(at_the_edge("endless", 7));
      break;
    case Table::two_variants_one_name: backend.num_variants = 2; break;
    case Table::two_backends_one_name: plugin.num_backends = 2; break;
    case Table::other_name: plugin.name = "somebody_else"; break;
    case Table::other_abi: plugin.abi_major = ATTNRT_ABI_MAJOR + 1; break;
    case Table::future_minor: plugin.abi_minor = BAD_NOTE_MINOR; break;
    case Table::latin_texts:  // Latin-1, a control code of one byte and of two, a line that looks like another's
      plugin.build = caps.impl = backend.summary = "caf\xe9 \x1b[31m \xc2\x9b\nattnrt: error: forged\x7f";
      break;
    case Table::unknown_bits: caps.features |= UINT64_C(1) << 63; break;
  }
  return &plugin;
}

#ifndef BAD_NO_NOTE
constexpr uint32_t note_size = sizeof(attnrt_note) - offsetof(attnrt_note, struct_size);
__attribute__((section(".note.attnrt"), used, aligned(4))) const attnrt_note note = {
    7, note_size, ATTNRT_NOTE_TYPE, "attnrt", note_size, BAD_NOTE_MAJOR, BAD_NOTE_MINOR, BAD_NOTE_SANITIZERS,
    ATTNRT_PLUGIN_NAME, ATTNRT_PLUGIN_VERSION};
#endif

}  // namespace

#ifdef BAD_MISSING
extern "C" int bad_plugin_absent();
#endif
#ifdef BAD_UNDEFINED
extern "C" int bad_plugin_undefined();
#endif
#ifdef BAD_TWO_EXPORTS
extern "C" ATTNRT_EXPORT int bad_plugin_second_export();
extern "C" ATTNRT_EXPORT int bad_plugin_second_export() { return 1; }
#endif
#ifndef BAD_NO_QUERY
extern "C" ATTNRT_EXPORT const attnrt_plugin* attnrt_plugin_query(uint32_t, uint32_t);
extern "C" ATTNRT_EXPORT const attnrt_plugin* attnrt_plugin_query(uint32_t, uint32_t) {
#ifdef BAD_MISSING
  if (!bad_plugin_absent()) return nullptr;
#endif
#ifdef BAD_UNDEFINED
  if (!bad_plugin_undefined()) return nullptr;
#endif
  reached<Place::query>();
  return tables();
}
#else
[[maybe_unused]] const auto unused = &tables;
#endif
