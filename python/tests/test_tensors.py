# SPDX-License-Identifier: Apache-2.0
"""Tensors: views without copies, in both directions."""

import gc
import unittest
import weakref

import attnrt
import numpy as np


class Numbers(np.ndarray):
    """numpy's arrays take no weak reference; those of a subclass do."""


class ByCapsule:
    """A tensor that has DLPack and nothing else. `versions` False: as before DLPack 1.0."""

    def __init__(self, array, versions=True):
        self.array, self.versions = array, versions

    def __dlpack__(self, **arguments):
        if arguments and not self.versions:
            raise TypeError("__dlpack__() got an unexpected keyword argument 'max_version'")
        return self.array.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Tensors(unittest.TestCase):
    def test_a_view_shares_the_memory(self):
        array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
        tensor = attnrt.view(array, "fp32")
        self.assertEqual((tensor.shape, tensor.strides, tensor.ndim, tensor.dtype), ((2, 3, 4), (12, 4, 1), 3, "fp32"))
        self.assertIs(tensor.owner, array)
        for back in (np.asarray(tensor), np.from_dlpack(tensor)):
            np.testing.assert_array_equal(back, array)
            self.assertTrue(np.shares_memory(back, array))
        np.asarray(tensor)[1, 2, 3] = -1
        self.assertEqual(array[1, 2, 3], -1)

    def test_a_view_keeps_its_owner(self):
        array = np.zeros(4, dtype=np.float32).view(Numbers)
        gone = weakref.ref(array)
        tensor = attnrt.view(array, "int32")
        del array
        back = np.from_dlpack(tensor)
        del tensor
        gc.collect()
        self.assertIsNotNone(gone())
        self.assertEqual(back.tolist(), [0, 0, 0, 0])
        del back
        gc.collect()
        self.assertIsNone(gone())

    def test_strides_and_read_only_memory(self):
        array = np.arange(12, dtype=np.int64).reshape(3, 4)[:, ::-2]
        array.flags.writeable = False
        tensor = attnrt.view(array, "int64")
        self.assertEqual(tensor.strides, (4, -2))
        back = np.asarray(tensor)
        np.testing.assert_array_equal(back, array)
        self.assertFalse(back.flags.writeable)

    def test_dtypes(self):
        bits = np.arange(4, dtype=np.uint16)
        bf16 = attnrt.view(bits, "bfloat16")
        self.assertEqual(bf16.dtype, "bf16")
        with self.assertRaisesRegex(BufferError, "the buffer protocol has no bf16"):
            memoryview(bf16)
        self.assertEqual(np.asarray(attnrt.view(bf16, "uint16")).tolist(), [0, 1, 2, 3])
        with self.assertRaisesRegex(attnrt.InvalidError, "16 bits and fp32 32, wanted a dtype of the same size"):
            attnrt.view(bits, "fp32")
        with self.assertRaisesRegex(attnrt.InvalidError, "wanted one of fp32"):
            attnrt.view(bits, "float12")

    def test_anything_with_dlpack_is_taken(self):
        q = np.random.default_rng(0).standard_normal((1, 3, 2, 32), dtype=np.float32)
        wanted = attnrt.attention(q, q, q)
        for versions in (True, False):
            out = np.zeros_like(q)
            given = ByCapsule(q, versions)
            self.assertIs(type(attnrt.attention(given, given, given, out=ByCapsule(out, versions))), ByCapsule)
            np.testing.assert_array_equal(out, wanted)

    def test_what_is_no_tensor(self):
        q = np.zeros((1, 1, 2, 32), dtype=np.float32)
        with self.assertRaisesRegex(TypeError, "wanted a tensor that has DLPack or the buffer protocol"):
            attnrt.view(object(), "fp32")
        with self.assertRaisesRegex(attnrt.InvalidError, "wanted numbers in the byte order of this machine"):
            attnrt.attention(q.astype(">f4"), q, q)
        with self.assertRaisesRegex(
            attnrt.InvalidError, "q has a stride of 6 bytes, wanted a multiple of its element size 4"
        ):
            odd = np.ndarray((1, 1, 2, 32), np.float32, np.zeros(1024, np.uint8), strides=(1024, 512, 256, 6))
            attnrt.attention(odd, q, q)


if __name__ == "__main__":
    unittest.main()
