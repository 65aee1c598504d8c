// SPDX-License-Identifier: Apache-2.0
#include "tensor.hpp"

#include <nanobind/stl/string.h>

#include "attnrt/say.hpp"
#include "attnrt/words.hpp"
#include "dlpack.hpp"
#include "names.hpp"

namespace attnrt::python {
namespace {

nb::handle tensor_type;

nb::tuple sizes(const int64_t* values, int count) {
  nb::list list;
  for (int i = 0; i < count; ++i) list.append(values[i]);
  return nb::tuple(list);
}

/// What a capsule that nobody consumed does when it goes, and what a consumer calls from any thread.
template <class Managed>
void release(Managed* managed) {
  if (!Py_IsInitialized()) return;
  nb::gil_scoped_acquire gil;
  nb::handle(static_cast<PyObject*>(managed->context)).dec_ref();
  delete managed;
}

template <class Managed>
nb::object capsule(nb::handle self, const char* name, Managed fill) {
  fill.tensor = Tensor::of(self)->view();
  fill.context = self.inc_ref().ptr();  // which keeps shape, strides and memory
  fill.deleter = &release<Managed>;
  auto* managed = new Managed(fill);
  PyObject* made = PyCapsule_New(managed, name, [](PyObject* object) {
    const char* now = PyCapsule_GetName(object);
    if (!now || std::string_view(now).substr(0, 4) == "used") return;
    auto* unused = static_cast<Managed*>(PyCapsule_GetPointer(object, now));
    unused->deleter(unused);
  });
  if (!made) {
    release(managed);
    throw nb::python_error();
  }
  return nb::steal(made);
}

nb::object to_dlpack(nb::handle self, nb::handle stream, nb::handle max_version, nb::handle dl_device,
                     nb::handle copy) {
  if (!stream.is_none()) throw nb::buffer_error("__dlpack__: a stream is given, wanted None for memory of the CPU");
  if (!copy.is_none() && nb::cast<bool>(copy)) throw nb::buffer_error("__dlpack__: a copy is wanted, this is a view");
  if (!dl_device.is_none() && nb::cast<int>(dl_device[0]) != ATTNRT_DEVICE_CPU)
    throw nb::buffer_error("__dlpack__: another device is wanted, this memory is the CPU's");
  const bool read_only = Tensor::of(self)->operand().read_only();
  if (!max_version.is_none() && nb::cast<uint32_t>(max_version[0]) >= 1)
    return capsule(self, "dltensor_versioned",
                   dlpack::Versioned{dlpack::kVersion, nullptr, nullptr, read_only ? dlpack::kReadOnly : 0, {}});
  if (read_only) throw nb::buffer_error("__dlpack__: the memory is read-only, which needs DLPack 1.0");
  return capsule(self, "dltensor", dlpack::Managed{{}, nullptr, nullptr});
}

/// The letter of the buffer protocol, NULL for what it cannot say (bf16 and fp8).
const char* buffer_format(attnrt_dtype t) {
  constexpr struct {
    uint8_t code, bits;
    const char* format;
  } known[] = {{2, 32, "f"}, {2, 16, "e"}, {2, 64, "d"}, {0, 8, "b"},  {0, 16, "h"}, {0, 32, "i"},
               {0, 64, "q"}, {1, 8, "B"},  {1, 16, "H"}, {1, 32, "I"}, {1, 64, "Q"}, {6, 8, "?"}};
  for (const auto& k : known)
    if (k.code == t.code && k.bits == t.bits && t.lanes == 1) return k.format;
  return nullptr;
}

int get_buffer(PyObject* self, Py_buffer* buffer, int flags) noexcept {
  const Tensor& tensor = *Tensor::of(self);
  const attnrt_tensor& t = tensor.view();
  const char* format = buffer_format(t.dtype);
  const auto refuse = [](const char* why) {
    PyErr_SetString(PyExc_BufferError, why);
    return -1;
  };
  if (!format)
    return refuse("the buffer protocol has no bf16 and no fp8, wanted DLPack or attnrt.view(tensor, 'uint16')");
  if (tensor.operand().read_only() && (flags & PyBUF_WRITABLE)) return refuse("the memory is read-only");
  if ((flags & PyBUF_STRIDES) != PyBUF_STRIDES) return refuse("the tensor has strides, wanted a buffer with strides");
  auto* layout = new (std::nothrow) Py_ssize_t[16];
  if (!layout) return PyErr_NoMemory(), -1;
  const Py_ssize_t size = t.dtype.bits / 8;
  Py_ssize_t count = 1;
  for (int i = 0; i < t.ndim; ++i) layout[i] = t.shape[i], layout[8 + i] = t.strides[i] * size, count *= t.shape[i];
  *buffer = {};
  buffer->buf = static_cast<char*>(t.data) + t.byte_offset;
  Py_INCREF(self);
  buffer->obj = self;
  buffer->len = count * size;
  buffer->itemsize = size;
  buffer->readonly = tensor.operand().read_only();
  buffer->ndim = t.ndim;
  buffer->format = flags & PyBUF_FORMAT ? const_cast<char*>(format) : nullptr;
  buffer->shape = layout;
  buffer->strides = layout + 8;
  buffer->internal = layout;
  return 0;
}

void release_buffer(PyObject*, Py_buffer* buffer) noexcept { delete[] static_cast<Py_ssize_t*>(buffer->internal); }

PyType_Slot buffer_slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
                              {Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)},
                              {0, nullptr}};

nb::object view_as(nb::object source, nb::handle dtype) {
  Operand operand(source, "view", true);
  if (!operand.get()) throw nb::type_error("view is of type NoneType, wanted a tensor");
  const attnrt_dtype wanted = dlpack_dtype("view", dtype), seen = operand.get()->dtype;
  if (wanted.bits != seen.bits * seen.lanes)
    throw Error(ATTNRT_INVALID,
                sdk::say("view: the elements have ", seen.bits * seen.lanes, " bits and ", dtype_text(wanted), " ",
                         static_cast<int>(wanted.bits), ", wanted a dtype of the same size"));
  operand.view().dtype = wanted;
  return nb::cast(Tensor(std::move(operand), std::move(source)));
}

}  // namespace

nb::object Tensor::view_of(const attnrt::Tensor& tensor, nb::object owner) {
  return nb::cast(Tensor(Operand(*tensor.get()), std::move(owner)));
}

const Tensor* Tensor::of(nb::handle object) {
  return object.type().ptr() == tensor_type.ptr() ? nb::inst_ptr<Tensor>(object) : nullptr;
}

void Tensor::bind(nb::module_& m) {
  tensor_type =
      nb::class_<Tensor>(m, "Tensor", nb::type_slots(buffer_slots), nb::is_final(),
                         "A view on memory with shape, strides and dtype, which keeps the owner of the memory alive. "
                         "numpy.asarray and torch.from_dlpack read it without a copy.")
          .def_prop_ro(
              "shape", [](const Tensor& t) { return sizes(t.view().shape, t.view().ndim); },
              nb::sig("def shape(self) -> tuple[int, ...]"))
          .def_prop_ro(
              "strides", [](const Tensor& t) { return sizes(t.view().strides, t.view().ndim); },
              nb::sig("def strides(self) -> tuple[int, ...]"), "In elements.")
          .def_prop_ro("ndim", [](const Tensor& t) { return t.view().ndim; })
          .def_prop_ro(
              "dtype", [](const Tensor& t) { return dtype_text(t.view().dtype); }, "\"bf16\", \"int64\" ...")
          .def_prop_ro(
              "owner", [](const Tensor& t) { return t.owner(); }, nb::sig("def owner(self) -> object"))
          .def("__dlpack__", &to_dlpack, nb::kw_only(), nb::arg("stream") = nb::none(),
               nb::arg("max_version") = nb::none(), nb::arg("dl_device") = nb::none(), nb::arg("copy") = nb::none(),
               nb::sig("def __dlpack__(self, *, stream: object = None, max_version: tuple[int, int] | None = None, "
                       "dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> object"))
          .def(
              "__dlpack_device__", [](const Tensor&) { return nb::make_tuple(ATTNRT_DEVICE_CPU, 0); },
              nb::sig("def __dlpack_device__(self) -> tuple[int, int]"))
          .def("__repr__", [](const Tensor& t) {
            return sdk::say("attnrt.Tensor(shape=", nb::repr(sizes(t.view().shape, t.view().ndim)).c_str(),
                            ", dtype=", dtype_text(t.view().dtype), ")");
          });
  m.def("view", &view_as, nb::arg("tensor"), nb::arg("dtype"),
        nb::sig("def view(tensor: object, dtype: object) -> Tensor"),
        "The same memory under another dtype of the same size: numpy has no bf16, but arrays of uint16 hold its bits. "
        "The tensor is kept alive.");
}

}  // namespace attnrt::python
