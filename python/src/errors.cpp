// SPDX-License-Identifier: Apache-2.0
#include "errors.hpp"

#include <nanobind/nanobind.h>

namespace attnrt::python {
namespace {

namespace nb = nanobind;

const char* class_of(attnrt_status status) {
  switch (status) {
    case ATTNRT_INVALID:
      return "InvalidError";
    case ATTNRT_UNSUPPORTED:
      return "UnsupportedError";
    case ATTNRT_UNAVAILABLE:
      return "UnavailableError";
    case ATTNRT_NO_MEMORY:
      return "OutOfMemoryError";
    default:
      return "FailedError";
  }
}

void translate(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const NoBackend& error) {
    const nb::object made = nb::module_::import_("attnrt.errors").attr("NoBackendError")(error.what(), error.choice());
    PyErr_SetObject(made.type().ptr(), made.ptr());
  } catch (const Error& error) {
    const nb::object made = nb::module_::import_("attnrt.errors").attr(class_of(error.status()))(error.what());
    PyErr_SetObject(made.type().ptr(), made.ptr());
  }
}

}  // namespace

void translate_errors() { nb::register_exception_translator(translate); }

}  // namespace attnrt::python
