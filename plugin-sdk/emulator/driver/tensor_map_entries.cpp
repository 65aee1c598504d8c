// SPDX-License-Identifier: Apache-2.0
//
// Tensor maps: what cuTensorMapEncodeTiled demands of its arguments (CUDA driver API, tensor map object management),
// and the map itself in the machine's own form.
#include "tensor_map.hpp"

#include <cstring>

#include "export.hpp"
#include "fault.hpp"
#include "state.hpp"

using namespace attnrt::emulator;

namespace {

// CUtensorMapDataType: UINT8, UINT16, UINT32, INT32, UINT64, INT64, FLOAT16, FLOAT32, FLOAT64, BFLOAT16, FLOAT32_FTZ,
// TFLOAT32, TFLOAT32_FTZ. The packed types behind them are not known.
constexpr uint8_t kElementBytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
constexpr int kTypes = sizeof kElementBytes;
constexpr bool is_floating(int type) { return type >= 6; }
// CUtensorMapSwizzle: NONE, 32B, 64B, 128B.
constexpr uint8_t kSwizzleBytes[] = {0, 32, 64, 128};
constexpr int kSwizzles = sizeof kSwizzleBytes;

void want(bool right, const std::string& sentence) {
  if (!right) refuse(CUDA_ERROR_INVALID_VALUE, sentence);
}

}  // namespace

ATTNRT_CUDA_ENTRY cuTensorMapEncodeTiled(void* map, int type, unsigned rank, void* address, const uint64_t* dimensions,
                                         const uint64_t* strides, const unsigned* box, const unsigned* element_strides,
                                         int interleave, int swizzle, int promotion, int fill) {
  return enter("cuTensorMapEncodeTiled", Needs::nothing, [&](Context*) {
    want(map && reinterpret_cast<uintptr_t>(map) % 64 == 0, "a tensor map that is not at a multiple of 64 bytes");
    want(rank >= 1 && rank <= kMostDimensions, say("a tensor of ", rank, " dimensions, wanted 1 to 5"));
    if (type < 0 || type >= kTypes) refuse(CUDA_ERROR_NOT_SUPPORTED, say("tensors of type ", type, " are not known"));
    if (interleave) refuse(CUDA_ERROR_NOT_SUPPORTED, say("interleave ", interleave, " is not known"));
    if (swizzle < 0 || swizzle >= kSwizzles)
      refuse(CUDA_ERROR_NOT_SUPPORTED, say("swizzle ", swizzle, " is not known"));
    want(promotion >= 0 && promotion <= 3, say("L2 promotion ", promotion, ", wanted 0 to 3"));
    want(fill == 0 || (fill == 1 && is_floating(type)),
         say("fill ", fill, ", wanted 0, or 1 for floating-point types"));
    TensorMap made;
    made.mark = kTensorMapMark;
    made.address = reinterpret_cast<uint64_t>(address);
    made.rank = static_cast<uint8_t>(rank);
    made.element_bytes = kElementBytes[type];
    made.swizzle = kSwizzleBytes[swizzle];
    made.fill = fill ? 0xff : 0;
    want(made.address % 16 == 0, "the tensor's address is no multiple of 16");
    for (unsigned i = 0; i < rank; ++i) {
      want(dimensions[i] >= 1 && dimensions[i] <= uint64_t{1} << 32, say("dimension ", i, " is ", dimensions[i]));
      want(box[i] >= 1 && box[i] <= 256, say("box dimension ", i, " is ", box[i], ", wanted 1 to 256"));
      want(element_strides[i] >= 1 && element_strides[i] <= 8,
           say("element stride ", i, " is ", element_strides[i], ", wanted 1 to 8"));
      made.last[i] = static_cast<uint32_t>(dimensions[i] - 1);
      made.box[i] = static_cast<uint16_t>(box[i]);
      made.element_strides[i] = static_cast<uint8_t>(element_strides[i]);
      if (i + 1 == rank) continue;
      want(strides[i] % 16 == 0 && strides[i] < uint64_t{1} << 40,
           say("stride ", i, " is ", strides[i], ", wanted a multiple of 16 below 2^40"));
      made.strides[i] = strides[i];
    }
    want(made.row_bytes() % 16 == 0, say("rows of the box have ", made.row_bytes(), " bytes, wanted a multiple of 16"));
    want(!made.swizzle || made.row_bytes() <= made.swizzle,
         say("rows of the box have ", made.row_bytes(), " bytes, the swizzle allows ", uint32_t{made.swizzle}));
    if (made.swizzle && made.row_bytes() != made.swizzle)
      refuse(CUDA_ERROR_NOT_SUPPORTED, "boxes whose rows are shorter than the swizzle are not known to the emulator");
    std::memset(map, 0, kTensorMapBytes);
    std::memcpy(map, &made, sizeof made);
  });
}

ATTNRT_CUDA_ENTRY cuTensorMapReplaceAddress(void* map, void* address) {
  return enter("cuTensorMapReplaceAddress", Needs::nothing, [&](Context*) {
    TensorMap made;
    std::memcpy(&made, map, sizeof made);
    want(made.mark == kTensorMapMark, "a tensor map that was not encoded");
    made.address = reinterpret_cast<uint64_t>(address);
    want(made.address % 16 == 0, "the tensor's address is no multiple of 16");
    std::memcpy(map, &made, sizeof made);
  });
}
