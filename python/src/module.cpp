// SPDX-License-Identifier: Apache-2.0
//
// module.cpp: attnrt._attnrt, the classes of runtime.hpp in Python.
#include "bind.hpp"
#include "errors.hpp"
#include "packed_plan.hpp"
#include "tensor.hpp"

NB_MODULE(_attnrt, m) {
  using namespace attnrt::python;
  nb::set_leak_warnings(false);  // a log that refers to its own runtime is no fault of the package, which never prints
  translate_errors();
  m.attr("__version__") = attnrt_version();
  Tensor::bind(m);
  bind_problem(m);
  bind_runtime(m);
  bind_op(m);
  bind_batch(m);
  bind_plan(m);
  bind_packed_plan(m);
}
