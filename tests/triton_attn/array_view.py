# SPDX-License-Identifier: Apache-2.0
"""numpy arrays as Triton's interpreter wants its tensors: it asks for a pointer, a dtype and a storage, no more."""
import numpy as np
from triton.runtime import interpreter


def splat(self, block_type, scalar):
    """A scalar of a comparison is a bool whose handle says int32; spread over a block it must stay a bool."""
    return interpreter.TensorHandle(np.full(block_type.shape, scalar.data, scalar.data.dtype), scalar.dtype.scalar)


interpreter.InterpreterBuilder.create_splat = splat


class Array:
    """A view of a numpy array, at an offset in elements; the kernel reads and writes the array itself."""

    def __init__(self, array, offset=0):
        self.array, self.offset = array, offset

    @property
    def dtype(self):
        return self.array.dtype

    def data_ptr(self):
        return self.array.ctypes.data + self.offset * self.array.itemsize

    # What the interpreter calls to bring a tensor to the host and back: it is there already.
    def untyped_storage(self):
        return self

    def cpu(self):
        return self

    def new_empty(self, size, device=None):
        return Array(self.array, self.offset)

    def set_(self, storage, offset, size, stride):
        self.array, self.offset = storage.array, offset

    def copy_(self, other):
        pass

    def storage_offset(self):
        return self.offset

    def size(self):
        return self.array.shape

    def stride(self):
        return tuple(step // self.array.itemsize for step in self.array.strides)
