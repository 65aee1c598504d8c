// SPDX-License-Identifier: Apache-2.0
//
// The safetensors format (huggingface.co/docs/safetensors): 8 bytes of little-endian header length, a JSON header of
// names, dtypes, shapes and offsets, then the data. Every malformation is a Failure of one sentence; no byte outside
// the file is ever read.
#ifndef ATTNRT_CLI_SAFETENSORS_HPP
#define ATTNRT_CLI_SAFETENSORS_HPP
#include <cstddef>
#include <cstdint>
#include <map>
#include <new>
#include <string>
#include <string_view>
#include <vector>

namespace attnrt::cli {

/// Element types of the format.
enum class Dtype : uint8_t { BOOL, U8, I8, F8_E4M3, F8_E5M2, U16, I16, F16, BF16, U32, I32, F32, U64, I64, F64 };

/// "F32", "BF16" ...
const char* name_of(Dtype dtype);
/// Bytes of one element.
std::size_t bytes_of(Dtype dtype);

using Shape = std::vector<int64_t>;

/// "[3, 12, 32]"
std::string text_of(const Shape& shape);

/// Memory on a 64-byte boundary, so that kernels may read it as vectors.
template <class T>
struct Aligned {
  using value_type = T;
  Aligned() = default;
  template <class U>
  Aligned(const Aligned<U>&) noexcept {}
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new (n * sizeof(T), std::align_val_t{64})); }
  void deallocate(T* p, std::size_t) noexcept { ::operator delete (p, std::align_val_t{64}); }
  bool operator==(const Aligned&) const noexcept { return true; }
};
using Bytes = std::vector<std::byte, Aligned<std::byte>>;

/// A tensor in memory, row-major and dense.
struct Array {
  Dtype dtype = Dtype::F32;
  Shape shape;
  Bytes data;

  int64_t elements() const noexcept {
    int64_t n = 1;
    for (const int64_t d : shape) n *= d;
    return n;
  }
  template <class T>
  const T* as() const noexcept {
    return reinterpret_cast<const T*>(data.data());
  }
  template <class T>
  T* as() noexcept {
    return reinterpret_cast<T*>(data.data());
  }
};

/// A piece of a file in a sentence: in quotes, at most 60 bytes, printable and on one line.
std::string in_quotes(std::string_view text);

/// An array of this dtype and shape with all bytes set to `fill`; 0xFF is a NaN in F32, F16 and BF16.
Array make_array(Dtype dtype, Shape shape, unsigned char fill);

/// Where a tensor lies in the data part.
struct Entry {
  Dtype dtype = Dtype::F32;
  Shape shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

struct Header {
  std::map<std::string, Entry> tensors;
  std::map<std::string, std::string> metadata;
};

/// Longest header that is read. The format allows 100 MB, of which a file for `attnrt run` needs a few KB: JSON takes 26
/// times its bytes in memory, and a header of small numbers would ask for gigabytes.
inline constexpr uint64_t kMaxHeaderBytes = 4 << 20;

/// Reads a JSON header over `data_bytes` bytes of data. Throws Failure where it is not JSON, names a tensor twice, has
/// a field of the wrong type, a size that overflows or does not match its offsets, or data that overlap, leave holes or
/// lie outside.
Header parse_header(std::string_view json, uint64_t data_bytes);

/// A file that is open for reading. Its header has been read and checked; tensors are read on demand.
class Safetensors {
 public:
  /// Throws Failure, the path first.
  explicit Safetensors(const std::string& path);
  ~Safetensors();
  Safetensors(const Safetensors&) = delete;
  Safetensors& operator=(const Safetensors&) = delete;

  const std::string& path() const noexcept { return path_; }
  const Header& header() const noexcept { return header_; }
  bool has(const std::string& name) const { return header_.tensors.count(name) != 0; }
  /// Throws Failure where there is no such tensor, or the file has become shorter.
  Array read(const std::string& name) const;

 private:
  std::string path_;
  int file_ = -1;
  uint64_t data_start_ = 0;
  Header header_;
};

/// Writes a file that Safetensors and the format's other readers accept; widest dtypes first, so that all data is
/// aligned. Throws Failure where the file cannot be written.
void write_safetensors(const std::string& path, const std::map<std::string, const Array*>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace attnrt::cli
#endif
