/* SPDX-License-Identifier: Apache-2.0
 *
 * DLPack's tensor as its specification lays it out (dlpack.h 1.x), for the comparison with attnrt_tensor. */
#ifndef ATTNRT_TESTS_DLPACK_H
#define ATTNRT_TESTS_DLPACK_H
#include <stdint.h>

typedef struct {
  int32_t device_type;
  int32_t device_id;
} DLDevice;

typedef struct {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
} DLDataType;

typedef struct {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
} DLTensor;
#endif
