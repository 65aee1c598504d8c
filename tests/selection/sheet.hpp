// SPDX-License-Identifier: Apache-2.0
//
// A variant that is nothing but a capability sheet: it can be selected, and answers UNAVAILABLE to all that follows.
#ifndef ATTNRT_TESTS_SELECTION_SHEET_HPP
#define ATTNRT_TESTS_SELECTION_SHEET_HPP
#include "attnrt/plugin.hpp"

namespace attnrt::tests {

/// What stands behind attnrt_variant.self.
struct Sheet {
  const char* backend;
  const char* variant;
  uint32_t kv_explicit;  ///< dtypes of the cache that may differ from q's; others are admitted only where they equal it
  const uint32_t* dims;  ///< (nope, rope, v) of the MLA prefill problems it takes, NULL = any
  uint32_t num_dims;
  bool prefill_only;  ///< serves the prefill of MLA and nothing else
};

inline attnrt_status sheet_only(const attnrt_diag* diag) {
  diag->add(diag->self, ATTNRT_WHY_OTHER, "this backend is a capability sheet without a kernel");
  return ATTNRT_UNAVAILABLE;
}

attnrt_status sheet_supports(const attnrt_variant* variant, const attnrt_problem* problem, const attnrt_diag* diag);
attnrt_status sheet_kv_layout(const attnrt_variant* variant, const attnrt_problem* problem, attnrt_kv_layout* layout,
                              const attnrt_diag* diag);

constexpr attnrt_variant sheet_variant(const char* name, const attnrt_caps* caps, const Sheet* self) {
  attnrt_variant v{};
  v.struct_size = sizeof v;
  v.name = name;
  v.caps = caps;
  v.self = self;
  v.supports = &sheet_supports;
  v.kv_layout = &sheet_kv_layout;
  v.create = [](const attnrt_variant*, const attnrt_host*, const attnrt_problem*, attnrt_device, attnrt_kernel_op**,
                const attnrt_diag* diag) { return sheet_only(diag); };
  v.destroy = [](attnrt_kernel_op*) {};
  v.workspace = [](const attnrt_kernel_op*, const attnrt_limits*, attnrt_workspace*, const attnrt_diag* diag) {
    return sheet_only(diag);
  };
  v.plan_create = [](const attnrt_kernel_op*, const attnrt_limits*, const attnrt_memory*, attnrt_kernel_plan**,
                     const attnrt_diag* diag) { return sheet_only(diag); };
  v.plan_update = [](attnrt_kernel_plan*, const attnrt_batch*, attnrt_stream, const attnrt_diag* diag) {
    return sheet_only(diag);
  };
  v.plan_destroy = [](attnrt_kernel_plan*) {};
  v.run = [](const attnrt_kernel_plan*, const attnrt_run_args*, attnrt_stream, const attnrt_diag* diag) {
    return sheet_only(diag);
  };
  v.write_kv = [](const attnrt_kernel_op*, const attnrt_write_args*, attnrt_stream, const attnrt_diag* diag) {
    return sheet_only(diag);
  };
  return v;
}

}  // namespace attnrt::tests
#endif
