// SPDX-License-Identifier: Apache-2.0
//
// mma.cuh: elements of 16 bits and the tensor cores of 8.0 (data sheet)
//   product    mma.sync m16n8k16, A row-major, B column-major, sums in fp32 (PTX ISA 9.7.14.5.8)
//   fragments  of 32 lanes: A [16, 16] in 4 registers, B [16, 8] in 2, C [16, 8] in 4; lane l holds of C the rows l / 4
//              and l / 4 + 8, the columns 2 (l % 4) and the next, so that C of one product is A of the next one
//   loads      ldmatrix x4: four matrices of 8 rows of 16 bytes, lane l gives the address of row l % 8 of matrix l / 8
// No header of CUDA is needed, so that NVRTC compiles it too.
#ifndef ATTNRT_FLASH_MMA_CUH
#define ATTNRT_FLASH_MMA_CUH

namespace attnrt::flash {

/// IEEE half precision.
struct Half {
  static __device__ unsigned pack(float low, float high) {
    unsigned both;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
  }
  static __device__ float widen(unsigned short bits) {
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(bits));
    return wide;
  }
  /// Two e4m3 numbers, exactly; by an instruction of 8.9.
  static __device__ unsigned of_e4m3(unsigned short bytes) {
    unsigned both;
    asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(both) : "h"(bytes));
    return both;
  }
  static __device__ void multiply(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
};

/// bfloat16.
struct Bfloat {
  static __device__ unsigned pack(float low, float high) {
    unsigned both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
  }
  static __device__ float widen(unsigned short bits) { return __uint_as_float(static_cast<unsigned>(bits) << 16); }
  static __device__ unsigned of_e4m3(unsigned short bytes) {
    const unsigned halves = Half::of_e4m3(bytes);
    return pack(Half::widen(static_cast<unsigned short>(halves)),
                Half::widen(static_cast<unsigned short>(halves >> 16)));
  }
  static __device__ void multiply(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
};

/// Four matrices of 8 x 8 elements, each lane's register of each.
__device__ inline void load_matrices(unsigned (&r)[4], unsigned from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from)
               : "memory");
}
/// The same, each matrix transposed.
__device__ inline void load_transposed(unsigned (&r)[4], unsigned from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from)
               : "memory");
}

}  // namespace attnrt::flash
#endif
