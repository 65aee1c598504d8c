// SPDX-License-Identifier: Apache-2.0
//
// library.hpp: oneDNN 2.x as Debian ships it (libdnnl.so.2), loaded when a first op wants it and never unloaded;
// nothing else in this plugin names a function of it. Its OpenMP threads are not wanted here: an item's matmuls run on
// the worker that has the item (OneThread).
#ifndef ATTNRT_CPU_ATTN_ONEDNN_LIBRARY_HPP
#define ATTNRT_CPU_ATTN_ONEDNN_LIBRARY_HPP
#include <oneapi/dnnl/dnnl.h>

#include <string>

#include "attnrt/plugin.hpp"

namespace attnrt::cpu {

#define ATTNRT_ONEDNN_FUNCTIONS(X)                                                                                   \
  X(engine_create) X(engine_destroy) X(stream_create) X(stream_destroy) X(memory_create) X(memory_destroy)           \
  X(memory_desc_init_by_strides) X(memory_desc_get_size) X(matmul_desc_init) X(primitive_attr_create)                \
  X(primitive_attr_destroy) X(primitive_attr_set_scratchpad_mode) X(primitive_attr_set_fpmath_mode)                  \
  X(primitive_attr_set_post_ops) X(post_ops_create) X(post_ops_destroy) X(post_ops_append_sum)                       \
  X(primitive_desc_create) X(primitive_desc_destroy) X(primitive_desc_query_md) X(primitive_create)                  \
  X(primitive_destroy) X(primitive_execute) X(get_effective_cpu_isa)

/// The functions, named as in dnnl.h less their prefix. Every entry is set.
struct OnednnLibrary {
#define ATTNRT_ONEDNN_MEMBER_(name) decltype(&dnnl_##name) name = nullptr;
  ATTNRT_ONEDNN_FUNCTIONS(ATTNRT_ONEDNN_MEMBER_)
#undef ATTNRT_ONEDNN_MEMBER_

  /// Of the OpenMP library that oneDNN's calls reach.
  int (*omp_get_max_threads)() = nullptr;
  void (*omp_set_num_threads)(int) = nullptr;

  /// Will oneDNN use these instructions? The machine may have them and DNNL_MAX_CPU_ISA forbid them.
  bool uses(dnnl_cpu_isa_t isa) const { return (get_effective_cpu_isa() & isa) == isa; }

  /// Throws FAILED with the name of the call unless it answered success.
  static void want(const char* call, dnnl_status_t status) {
    if (status != dnnl_success)
      throw sdk::Error(status == dnnl_out_of_memory ? ATTNRT_NO_MEMORY : ATTNRT_FAILED,
                       sdk::say("oneDNN: ", call, " answered ", static_cast<int>(status), ", wanted 0"));
  }
};

/// The library; throws UNAVAILABLE with what is missing. [thread-safe]
const OnednnLibrary& onednn_library();

/// While it lives oneDNN uses the calling thread alone; then that thread's number of OpenMP threads is what it was, in
/// case the engine uses OpenMP there. [one thread]
class OneThread {
 public:
  explicit OneThread(const OnednnLibrary& library) : library_(library), before_(library.omp_get_max_threads()) {
    if (before_ != 1) library_.omp_set_num_threads(1);
  }
  ~OneThread() {
    if (before_ != 1) library_.omp_set_num_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  const OnednnLibrary& library_;
  const int before_;
};

}  // namespace attnrt::cpu
#endif
