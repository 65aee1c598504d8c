// SPDX-License-Identifier: Apache-2.0
//
// row_evaluator.hpp: runs row code. Each instruction is a loop over kRowKeys lanes without a branch, which the compiler
// turns into vectors of the instruction set that the including file is compiled for.
#ifndef ATTNRT_FLEX_CPU_ROW_EVALUATOR_HPP
#define ATTNRT_FLEX_CPU_ROW_EVALUATOR_HPP
#include <cstdint>
#include <cstring>

#include "functions.hpp"
#include "row_code.hpp"

namespace attnrt::flex::ATTNRT_KERNEL_ISA {

class RowRun {
 public:
  RowRun(const RowCall& call, std::byte* scratch)
      : call_(call), code_(*call.code), slots_(reinterpret_cast<Slot*>(scratch)) {
    auto* const values = reinterpret_cast<Value*>(scratch + code_.num_slots * sizeof(Slot));
    fill_uniforms(call, values);
    for (uint32_t i = 0; i < code_.num_uniforms; ++i)
      if (const RowUniform uniform = code_.uniforms[i]; uniform.slot != kNoSlot)
        for (uint32_t& lane : slots_[uniform.slot].lanes) lane = values[uniform.node].bits;
  }

  /// The result for keys from `first` of the row on; lanes past the row's end are of keys that do not exist.
  const uint32_t* step(int32_t first, const float* score) {
    if (const uint16_t slot = code_.position_slot; slot != kNoSlot)
      for (int i = 0; i < kRowKeys; ++i)
        slots_[slot].lanes[i] = static_cast<uint32_t>(call_.kv_first) + static_cast<uint32_t>(first + i);
    if (const uint16_t slot = code_.score_slot; slot != kNoSlot) {
      const int32_t left = call_.count - first, count = left < kRowKeys ? left : kRowKeys;
      std::memcpy(slots_[slot].lanes, score + first, static_cast<std::size_t>(count) * sizeof(float));
      for (int i = count; i < kRowKeys; ++i) slots_[slot].lanes[i] = 0;
    }
    for (uint32_t i = 0; i < code_.num_instructions; ++i) execute(code_.instructions[i]);
    return slots_[code_.result_slot].lanes;
  }

 private:
  static int32_t as_integer(uint32_t bits) { return static_cast<int32_t>(bits); }
  static uint32_t bits_of(float x) { return word_of(x); }
  static uint32_t bits_of(int32_t x) { return static_cast<uint32_t>(x); }
  static uint32_t bits_of(bool x) { return x; }

  // `to` is no operand's slot (row_code.cpp), so that a compiler needs no loop for slots that overlap.
  template <class F>
  void integers(const RowInstruction& i, F&& f) {
    const uint32_t *a = slots_[i.operands[0]].lanes, *b = slots_[i.operands[i.num_operands > 1]].lanes;
    uint32_t* __restrict to = slots_[i.to].lanes;
    for (int lane = 0; lane < kRowKeys; ++lane) to[lane] = bits_of(f(as_integer(a[lane]), as_integer(b[lane])));
  }
  template <class F>
  void reals(const RowInstruction& i, F&& f) {
    const uint32_t *a = slots_[i.operands[0]].lanes, *b = slots_[i.operands[i.num_operands > 1]].lanes;
    uint32_t* __restrict to = slots_[i.to].lanes;
    for (int lane = 0; lane < kRowKeys; ++lane) to[lane] = bits_of(f(float_of(a[lane]), float_of(b[lane])));
  }
  template <class F, class G>
  void either(const RowInstruction& i, F&& of_integers, G&& of_reals) {
    i.type == Type::f32 ? reals(i, of_reals) : integers(i, of_integers);
  }

  // Quotients of 32-bit integers are told apart by double: they differ by 2^-31 of their size where they do.
  static int32_t quotient(int32_t a, int32_t b) {
    const double q = __builtin_floor(static_cast<double>(a) / static_cast<double>(b == 0 ? 1 : b));
    const auto whole = q > 2147483647.0 ? INT32_MIN : static_cast<int32_t>(q);
    return b == 0 ? 0 : whole;
  }
  static int32_t remainder(int32_t a, int32_t b) {
    const auto r = static_cast<int32_t>(static_cast<uint32_t>(a) -
                                        static_cast<uint32_t>(quotient(a, b)) * static_cast<uint32_t>(b));
    return b == 0 ? 0 : r;
  }
  /// f(quotient, remainder) by the instruction's divisor.
  template <class F>
  void divide(const RowInstruction& i, F&& f) {
    const uint32_t* a = slots_[i.operands[0]].lanes;
    uint32_t* __restrict to = slots_[i.to].lanes;
    const int32_t by = i.divisor;
    if ((by & (by - 1)) == 0) {
      const int bits = __builtin_ctz(static_cast<uint32_t>(by));
      for (int lane = 0; lane < kRowKeys; ++lane)
        to[lane] = bits_of(f(as_integer(a[lane]) >> bits, as_integer(a[lane]) & (by - 1)));
      return;
    }
    // The product is less than 2^-20 off: its floor is the quotient or the number beside it.
    const double inverse = 1.0 / by;
    for (int lane = 0; lane < kRowKeys; ++lane) {
      const auto near = static_cast<int32_t>(__builtin_floor(static_cast<double>(as_integer(a[lane])) * inverse));
      const auto left = as_integer(a[lane] - static_cast<uint32_t>(near) * static_cast<uint32_t>(by));
      const int32_t more = left < 0 ? -1 : left >= by ? 1 : 0;
      to[lane] = bits_of(f(near + more, left - more * by));
    }
  }
  static int32_t to_integer(float x) {
    const float low = x < -2147483648.0f ? -2147483648.0f : x, inside = low < 2147483520.0f ? low : 2147483520.0f;
    const auto whole = static_cast<int32_t>(inside == inside ? inside : 0.0f);
    const int32_t number = x >= 2147483648.0f ? INT32_MAX : whole;
    return x == x ? number : 0;
  }

  void execute(const RowInstruction& i) {
    const auto u = [](int32_t x) { return static_cast<uint32_t>(x); };
    switch (i.op) {
      case Op::add:
        return either(
            i, [&](int32_t a, int32_t b) { return as_integer(u(a) + u(b)); }, [](float a, float b) { return a + b; });
      case Op::sub:
        return either(
            i, [&](int32_t a, int32_t b) { return as_integer(u(a) - u(b)); }, [](float a, float b) { return a - b; });
      case Op::mul:
        return either(
            i, [&](int32_t a, int32_t b) { return as_integer(u(a) * u(b)); }, [](float a, float b) { return a * b; });
      case Op::div:
        return reals(i, [](float a, float b) { return a / b; });
      case Op::floor_div:
        if (i.divisor) return divide(i, [](int32_t q, int32_t) { return q; });
        return either(
            i, [](int32_t a, int32_t b) { return quotient(a, b); },
            [](float a, float b) { return __builtin_floorf(a / b); });
      case Op::mod:
        if (i.divisor) return divide(i, [](int32_t, int32_t r) { return r; });
        return either(
            i, [](int32_t a, int32_t b) { return remainder(a, b); },
            [](float a, float b) { return a - b * __builtin_floorf(a / b); });
      case Op::min:
        return either(
            i, [](int32_t a, int32_t b) { return a < b ? a : b; },
            [](float a, float b) {
              return b != b ? b : a != a ? a : a < b ? a : b;
            });
      case Op::max:
        return either(
            i, [](int32_t a, int32_t b) { return a > b ? a : b; },
            [](float a, float b) {
              return b != b ? b : a != a ? a : a > b ? a : b;
            });
      case Op::neg:
        return either(
            i, [&](int32_t a, int32_t) { return as_integer(0u - u(a)); }, [](float a, float) { return -a; });
      case Op::abs:
        return either(
            i, [&](int32_t a, int32_t) { return as_integer(a < 0 ? 0u - u(a) : u(a)); },
            [](float a, float) { return __builtin_fabsf(a); });
      case Op::lt:
        return either(
            i, [](int32_t a, int32_t b) { return a < b; }, [](float a, float b) { return a < b; });
      case Op::le:
        return either(
            i, [](int32_t a, int32_t b) { return a <= b; }, [](float a, float b) { return a <= b; });
      case Op::eq:
        return either(
            i, [](int32_t a, int32_t b) { return a == b; }, [](float a, float b) { return a == b; });
      case Op::ne:
        return either(
            i, [](int32_t a, int32_t b) { return a != b; }, [](float a, float b) { return a != b; });
      case Op::logical_and:
      case Op::bit_and:
        return integers(i, [](int32_t a, int32_t b) { return a & b; });
      case Op::logical_or:
      case Op::bit_or:
        return integers(i, [](int32_t a, int32_t b) { return a | b; });
      case Op::bit_xor:
        return integers(i, [](int32_t a, int32_t b) { return a ^ b; });
      case Op::logical_not:
        return integers(i, [](int32_t a, int32_t) { return a ^ 1; });
      case Op::shift_left:
        return integers(i, [&](int32_t a, int32_t n) { return as_integer(u(n) > 31 ? 0u : u(a) << (u(n) & 31)); });
      case Op::shift_right:
        return integers(i, [&](int32_t a, int32_t n) { return a >> (u(n) > 31 ? 31 : n); });
      case Op::select:
        return select(i);
      case Op::exp:
        return reals(i, [](float a, float) { return exp_of(a); });
      case Op::exp2:
        return reals(i, [](float a, float) { return exp2_of(a); });
      case Op::log:
        return reals(i, [](float a, float) { return log_of(a); });
      case Op::log2:
        return reals(i, [](float a, float) { return log2_of(a); });
      case Op::sqrt:
        return reals(i, [](float a, float) { return __builtin_sqrtf(a); });
      case Op::rsqrt:
        return reals(i, [](float a, float) { return 1.0f / __builtin_sqrtf(a); });
      case Op::tanh:
        return reals(i, [](float a, float) { return tanh_of(a); });
      case Op::sin:
        return angles(i, 0);
      case Op::cos:
        return angles(i, 1);
      case Op::floor:
        return reals(i, [](float a, float) { return __builtin_floorf(a); });
      case Op::ceil:
        return reals(i, [](float a, float) { return __builtin_ceilf(a); });
      case Op::to_i32:
        if (i.type == Type::f32) return reals(i, [](float a, float) { return to_integer(a); });
        return integers(i, [](int32_t a, int32_t) { return a; });
      case Op::to_f32:
        return either(
            i, [](int32_t a, int32_t) { return static_cast<float>(a); }, [](float a, float) { return a; });
      case Op::to_bool:
        return either(
            i, [](int32_t a, int32_t) { return a != 0; }, [](float a, float) { return a != 0.0f; });
      case Op::load:
        return read(i);
      default:
        return;
    }
  }

  void select(const RowInstruction& i) {
    const uint32_t *a = slots_[i.operands[0]].lanes, *b = slots_[i.operands[1]].lanes, *c = slots_[i.operands[2]].lanes;
    uint32_t* __restrict to = slots_[i.to].lanes;
    for (int lane = 0; lane < kRowKeys; ++lane) to[lane] = a[lane] ? b[lane] : c[lane];
  }

  void angles(const RowInstruction& i, int32_t quarter) {
    const uint32_t* a = slots_[i.operands[0]].lanes;
    float most = 0;
    for (int lane = 0; lane < kRowKeys; ++lane) {
      const float size = __builtin_fabsf(float_of(a[lane]));
      most = size <= kMostAngle ? most : __builtin_inff();  // NaN too
    }
    if (most == 0) return reals(i, [=](float x, float) { return sine_of(x, quarter); });
    reals(i, [=](float x, float) { return quarter ? __builtin_cosf(x) : __builtin_sinf(x); });
  }

  template <class T, class F>
  void read_row(const RowInstruction& i, F&& bits) {
    const BufferView& view = call_.views[i.buffer];
    const int rank = i.num_operands;
    const auto* data = static_cast<const T*>(view.data);
    int64_t farthest = 0;
    for (int d = 0; d < rank; ++d)
      farthest += (view.shape[d] - 1) * (view.strides[d] < 0 ? -view.strides[d] : view.strides[d]);
    if (i.step != 0 && view.strides[rank - 1] == 1) {
      for (int d = 0; d + 1 < rank; ++d)
        data += clamped(as_integer(slots_[i.operands[d]].lanes[0]), view.shape[d]) * view.strides[d];
      const int64_t first = as_integer(slots_[i.operands[rank - 1]].lanes[0]), last = first + i.step * (kRowKeys - 1);
      if ((first < last ? first : last) >= 0 && (first < last ? last : first) < view.shape[rank - 1])
        return read_in_order(data + first, i.step, slots_[i.to].lanes, bits);
    }
    if (farthest <= INT32_MAX)
      gather<int32_t>(i, view, static_cast<const T*>(view.data), bits);
    else
      gather<int64_t>(i, view, static_cast<const T*>(view.data), bits);
  }
  static int64_t clamped(int64_t index, int64_t size) { return index < 0 ? 0 : index < size ? index : size - 1; }

  template <class T, class F>
  static void read_in_order(const T* data, int step, uint32_t* __restrict to, F&& bits) {
    if (step > 0)
      for (int lane = 0; lane < kRowKeys; ++lane) to[lane] = bits(data[lane]);
    else
      for (int lane = 0; lane < kRowKeys; ++lane) to[lane] = bits(data[-lane]);
  }

  /// Elements from anywhere. Offset: a type that holds the farthest one's.
  template <class Offset, class T, class F>
  void gather(const RowInstruction& i, const BufferView& view, const T* data, F&& bits) {
    Offset offsets[kRowKeys] = {};
    for (int d = 0; d < i.num_operands; ++d) {
      const uint32_t* index = slots_[i.operands[d]].lanes;
      const int64_t most = view.shape[d] - 1;
      const auto last = static_cast<int32_t>(most < INT32_MAX ? most : INT32_MAX);
      const auto stride = static_cast<Offset>(view.strides[d]);
      for (int lane = 0; lane < kRowKeys; ++lane) {
        const int32_t at = as_integer(index[lane]), high = at < last ? at : last;
        offsets[lane] = static_cast<Offset>(offsets[lane] + static_cast<Offset>(high < 0 ? 0 : high) * stride);
      }
    }
    uint32_t* __restrict to = slots_[i.to].lanes;
    for (int lane = 0; lane < kRowKeys; ++lane) to[lane] = bits(data[offsets[lane]]);
  }

  void read(const RowInstruction& i) {
    for (int d = 0; d < i.num_operands; ++d)
      if (call_.views[i.buffer].shape[d] <= 0) return clear(i);
    switch (i.element) {
      case Element::i32:
      case Element::f32:
        return read_row<uint32_t>(i, [](uint32_t x) { return x; });
      case Element::bf16:
        return read_row<uint16_t>(i, [](uint16_t x) { return uint32_t{x} << 16; });
      case Element::boolean:
        return read_row<uint8_t>(i, [](uint8_t x) { return uint32_t{x != 0}; });
      case Element::fp16:
        return read_row<uint16_t>(i, [](uint16_t x) { return half_bits(x); });
    }
  }
  void clear(const RowInstruction& i) {
    for (uint32_t& lane : slots_[i.to].lanes) lane = 0;
  }

  const RowCall& call_;
  const RowCodeView& code_;
  Slot* const slots_;
};

inline void hide_row(const RowCall& call, float* bias, std::byte* scratch) {
  RowRun run(call, scratch);
  constexpr float hidden = -__builtin_inff();
  for (int32_t first = 0; first < call.count; first += kRowKeys) {
    const uint32_t* seen = run.step(first, nullptr);
    const int32_t left = call.count - first, count = left < kRowKeys ? left : kRowKeys;
    for (int32_t i = 0; i < count; ++i) bias[first + i] = seen[i] ? bias[first + i] : hidden;
  }
}

inline void score_row(const RowCall& call, float* score, std::byte* scratch) {
  RowRun run(call, scratch);
  for (int32_t first = 0; first < call.count; first += kRowKeys) {
    const uint32_t* made = run.step(first, score);
    const int32_t left = call.count - first, count = left < kRowKeys ? left : kRowKeys;
    std::memcpy(score + first, made, static_cast<std::size_t>(count) * sizeof(float));
  }
}

}  // namespace attnrt::flex::ATTNRT_KERNEL_ISA
#endif
