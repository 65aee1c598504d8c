// SPDX-License-Identifier: Apache-2.0
//
// What a user's expression may be made of, as NVRTC and nvcc compile it: functions of the library, calls, local memory.
extern "C" {

__noinline__ __device__ float squares(const float* values, int n) {
  float sum = 0;
  for (int i = 0; i < n; ++i) sum += values[i] * values[i];
  return sum;
}

struct Pair {
  float first, second;
};
__noinline__ __device__ Pair swapped(Pair pair) { return {pair.second, pair.first}; }

// out[i * 16 + k]: function k of x[i], y[i]
__global__ void expressions(float* out, const float* x, const float* y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const float a = x[i], b = y[i];
  float* const o = out + i * 16;
  o[0] = sinf(a);
  o[1] = cosf(a);
  o[2] = tanhf(a);
  o[3] = powf(fabsf(a), b);
  o[4] = fmodf(a, b);
  o[5] = expf(b);
  o[6] = log1pf(fabsf(a));
  o[7] = erff(b);
  o[8] = rsqrtf(fabsf(a) + 1.0f);
  o[9] = a / b;
  float kept[8];  // an index that is not known keeps them out of registers
  for (int k = 0; k < 8; ++k) kept[(k + i) & 7] = a * static_cast<float>(k);
  o[10] = kept[static_cast<int>(fabsf(b)) & 7];
  o[11] = squares(x, (i & 3) + 1);
  const Pair pair = swapped({a, b});
  o[12] = pair.first - pair.second;
  o[13] = static_cast<float>(static_cast<double>(a) * static_cast<double>(b));
  o[14] = static_cast<float>((i * 37) % ((i & 7) + 3) - i / 3);
  o[15] = roundf(a) + floorf(b) + copysignf(1.0f, a);
}

}
