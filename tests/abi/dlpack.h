/* SPDX-License-Identifier: Apache-2.0
 *
 * DLPack's tensor as its specification lays it out, for the comparison with attnrt_tensor. After DLPack 1.1,
 * include/dlpack/dlpack.h of https://github.com/dmlc/dlpack (Apache-2.0); only what attnrt claims to be equal. */
#ifndef ATTNRT_TESTS_DLPACK_H
#define ATTNRT_TESTS_DLPACK_H
#include <stdint.h>

typedef enum { kDLCPU = 1, kDLCUDA = 2, kDLROCM = 10 } DLDeviceType;

typedef enum {
  kDLInt = 0,
  kDLUInt = 1,
  kDLFloat = 2,
  kDLBfloat = 4,
  kDLBool = 6,
  kDLFloat8_e4m3fn = 10,
  kDLFloat8_e4m3fnuz = 11,
  kDLFloat8_e5m2 = 12
} DLDataTypeCode;

typedef struct {
  DLDeviceType device_type;
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
