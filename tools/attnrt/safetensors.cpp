// SPDX-License-Identifier: Apache-2.0
#include "safetensors.hpp"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <limits>

#include "attnrt/diag.hpp"
#include "failure.hpp"
#include "duplicate_key.hpp"

namespace attnrt::cli {
namespace {

namespace json = boost::json;

struct DtypeRow {
  const char* name;
  std::size_t bytes;
};
constexpr std::array<DtypeRow, 15> kDtypes{{{"BOOL", 1},
                                            {"U8", 1},
                                            {"I8", 1},
                                            {"F8_E4M3", 1},
                                            {"F8_E5M2", 1},
                                            {"U16", 2},
                                            {"I16", 2},
                                            {"F16", 2},
                                            {"BF16", 2},
                                            {"U32", 4},
                                            {"I32", 4},
                                            {"F32", 4},
                                            {"U64", 8},
                                            {"I64", 8},
                                            {"F64", 8}}};

std::string json_in_quotes(const json::value& value) { return in_quotes(json::serialize(value)); }

Dtype parse_dtype(const std::string& name, const json::value& value) {
  if (value.is_string())
    for (std::size_t i = 0; i < kDtypes.size(); ++i)
      if (value.get_string() == kDtypes[i].name) return static_cast<Dtype>(i);
  std::string known;
  for (const DtypeRow& row : kDtypes) known += fmt::format("{}{}", known.empty() ? "" : ", ", row.name);
  throw Failure(fmt::format("tensor {} has dtype {}, wanted one of {}", name, json_in_quotes(value), known));
}

/// A whole number that fits an int64, from 0 on.
int64_t parse_whole(const std::string& name, const char* field, const json::value& value) {
  if (value.is_int64() && value.get_int64() >= 0) return value.get_int64();
  throw Failure(fmt::format("tensor {} has {} in its {}, wanted whole numbers from 0 to {}", name,
                            json_in_quotes(value), field, std::numeric_limits<int64_t>::max()));
}

const json::value& field_of(const std::string& name, const json::object& tensor, const char* field) {
  const json::value* value = tensor.if_contains(field);
  if (!value) throw Failure(fmt::format("tensor {} has no {}, wanted dtype, shape and data_offsets", name, field));
  return *value;
}

Entry parse_entry(const std::string& name, const json::value& value, uint64_t data_bytes) {
  if (!value.is_object())
    throw Failure(fmt::format("tensor {} is {}, wanted an object with dtype, shape and data_offsets", name,
                              json_in_quotes(value)));
  const json::object& tensor = value.get_object();
  Entry entry;
  entry.dtype = parse_dtype(name, field_of(name, tensor, "dtype"));
  const json::value& shape = field_of(name, tensor, "shape");
  if (!shape.is_array() || shape.get_array().size() > 16)
    throw Failure(
        fmt::format("tensor {} has shape {}, wanted a list of at most 16 sizes", name, json_in_quotes(shape)));
  for (const json::value& size : shape.get_array()) entry.shape.push_back(parse_whole(name, "shape", size));

  // A size of 0 counts as 1 here: [2^40, 2^40, 0] overflows all the same and is refused.
  auto product = static_cast<int64_t>(bytes_of(entry.dtype));
  bool overflow = false, empty = false;
  for (const int64_t size : entry.shape) {
    empty |= size == 0;
    overflow |= __builtin_mul_overflow(product, std::max<int64_t>(size, 1), &product);
  }
  if (overflow)
    throw Failure(fmt::format("tensor {} has shape {} of {}, wanted less than 2^63 bytes", name, text_of(entry.shape),
                              name_of(entry.dtype)));
  const uint64_t want = empty ? 0 : static_cast<uint64_t>(product);

  const json::value& offsets = field_of(name, tensor, "data_offsets");
  if (!offsets.is_array() || offsets.get_array().size() != 2)
    throw Failure(fmt::format("tensor {} has data_offsets {}, wanted [begin, end]", name, json_in_quotes(offsets)));
  entry.begin = static_cast<uint64_t>(parse_whole(name, "data_offsets", offsets.get_array()[0]));
  entry.end = static_cast<uint64_t>(parse_whole(name, "data_offsets", offsets.get_array()[1]));
  if (entry.begin > entry.end || entry.end > data_bytes)
    throw Failure(fmt::format("tensor {} has data_offsets [{}, {}], wanted them ascending within the {} bytes of data",
                              name, entry.begin, entry.end, data_bytes));
  if (entry.end - entry.begin != want)
    throw Failure(fmt::format("tensor {} has {} bytes of data, wanted {} for shape {} of {}", name,
                              entry.end - entry.begin, want, text_of(entry.shape), name_of(entry.dtype)));
  return entry;
}

/// The format wants the data to be covered once and wholly.
void check_coverage(const std::map<std::string, Entry>& tensors, uint64_t data_bytes) {
  std::vector<std::pair<const Entry*, const std::string*>> order;
  for (const auto& [name, entry] : tensors) order.emplace_back(&entry, &name);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first->begin, a.first->end) < std::pair(b.first->begin, b.first->end);
  });
  uint64_t at = 0;
  for (const auto& [entry, name] : order) {
    if (entry->begin != at)
      throw Failure(fmt::format("tensor {} begins at byte {} of the data, wanted {}, where the one before it ends ({})",
                                in_quotes(*name), entry->begin, at,
                                entry->begin < at ? "they overlap" : "there is a hole"));
    at = entry->end;
  }
  if (at != data_bytes)
    throw Failure(fmt::format("the tensors end at byte {} of the data, wanted {}, its end", at, data_bytes));
}

}  // namespace

std::string in_quotes(std::string_view text) { return "'" + sdk::printable(text, 60) + "'"; }

const char* name_of(Dtype dtype) { return kDtypes[static_cast<std::size_t>(dtype)].name; }
std::size_t bytes_of(Dtype dtype) { return kDtypes[static_cast<std::size_t>(dtype)].bytes; }
std::string text_of(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Array make_array(Dtype dtype, Shape shape, unsigned char fill) {
  Array array{dtype, std::move(shape), {}};
  array.data.assign(static_cast<std::size_t>(array.elements()) * bytes_of(dtype), std::byte{fill});
  return array;
}

Header parse_header(std::string_view text, uint64_t data_bytes) {
  json::error_code error;
  json::parser parser;
  const std::size_t read = parser.write_some(text.data(), text.size(), error);
  if (!error && read < text.size()) error = json::error::extra_data;
  if (error)
    throw Failure(fmt::format("the header is not JSON at byte {}: {}, wanted an object", read, error.message()));
  const json::value root = parser.release();
  if (!root.is_object()) throw Failure(fmt::format("the header is {}, wanted a JSON object", json_in_quotes(root)));
  if (const auto twice = json_keys::duplicate_key(text))
    throw Failure(fmt::format("the header names {} twice, wanted each name once", in_quotes(*twice)));

  Header header;
  for (const auto& [key, value] : root.get_object()) {
    const std::string name(key.data(), key.size());
    if (name != "__metadata__") {
      header.tensors.emplace(name, parse_entry(in_quotes(name), value, data_bytes));
      continue;
    }
    if (!value.is_object())
      throw Failure(fmt::format("__metadata__ is {}, wanted an object of strings", json_in_quotes(value)));
    for (const auto& [word, said] : value.get_object()) {
      if (!said.is_string())
        throw Failure(fmt::format("__metadata__ {} is {}, wanted a string",
                                  in_quotes(std::string_view(word.data(), word.size())), json_in_quotes(said)));
      header.metadata.emplace(std::string(word.data(), word.size()),
                              std::string(said.get_string().data(), said.get_string().size()));
    }
  }
  check_coverage(header.tensors, data_bytes);
  return header;
}

namespace {

/// Reads exactly `bytes` bytes; false where the file ends before.
bool read_at(int file, uint64_t offset, void* to, uint64_t bytes) {
  auto* at = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = ::pread(file, at, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<uint64_t>(got);
  }
  return true;
}

}  // namespace

// O_NONBLOCK: opening a FIFO must not wait for a writer.
Safetensors::Safetensors(const std::string& path)
    : path_(path), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {
  if (file_ < 0)
    throw Failure(fmt::format("{} cannot be read: {}, wanted a safetensors file", path, std::strerror(errno)));
  try {
    struct stat info {};
    if (::fstat(file_, &info) != 0 || !S_ISREG(info.st_mode))
      throw Failure("it is not a regular file, wanted a safetensors file");
    const auto size = static_cast<uint64_t>(info.st_size);
    if (size < 8) throw Failure(fmt::format("the file has {} bytes, wanted 8 for the length of the header", size));
    std::array<unsigned char, 8> raw{};
    if (!read_at(file_, 0, raw.data(), raw.size()))
      throw Failure("the length of the header cannot be read, wanted 8 bytes");
    uint64_t length = 0;
    for (std::size_t i = raw.size(); i-- > 0;) length = length << 8 | raw[i];
    if (length > kMaxHeaderBytes)
      throw Failure(fmt::format("the header is {} bytes long, wanted at most {}", length, kMaxHeaderBytes));
    if (length > size - 8)
      throw Failure(fmt::format("the header is {} bytes long, wanted at most {}, what the file holds after its length",
                                length, size - 8));
    std::string text(length, '\0');
    if (!read_at(file_, 8, text.data(), length))
      throw Failure(fmt::format("the header cannot be read, wanted {} bytes", length));
    data_start_ = 8 + length;
    header_ = parse_header(text, size - data_start_);
  } catch (const Failure& failure) {
    ::close(file_);
    throw Failure(fmt::format("{}: {}", path, failure.what()));
  } catch (...) {
    ::close(file_);
    throw;
  }
}

Safetensors::~Safetensors() { ::close(file_); }

Array Safetensors::read(const std::string& name) const {
  const auto found = header_.tensors.find(name);
  if (found == header_.tensors.end()) throw Failure(fmt::format("{} has no tensor '{}', wanted it", path_, name));
  const Entry& entry = found->second;
  Array array{entry.dtype, entry.shape, Bytes(entry.end - entry.begin)};
  if (!read_at(file_, data_start_ + entry.begin, array.data.data(), array.data.size()))
    throw Failure(fmt::format("{}: tensor '{}' cannot be read, wanted {} bytes", path_, name, array.data.size()));
  return array;
}

void write_safetensors(const std::string& path, const std::map<std::string, const Array*>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<std::pair<const std::string*, const Array*>> order;
  for (const auto& [name, array] : tensors) order.emplace_back(&name, array);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return bytes_of(a.second->dtype) > bytes_of(b.second->dtype); });
  json::object root;
  if (!metadata.empty()) {
    json::object words;
    for (const auto& [key, value] : metadata) words[key] = value;
    root["__metadata__"] = std::move(words);
  }
  uint64_t at = 0;
  for (const auto& [name, array] : order) {
    root[*name] = json::object{{"dtype", name_of(array->dtype)},
                               {"shape", json::array(array->shape.begin(), array->shape.end())},
                               {"data_offsets", json::array{at, at + array->data.size()}}};
    at += array->data.size();
  }
  std::string text = json::serialize(root);
  text.append((8 - text.size() % 8) % 8, ' ');

  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (!file) throw Failure(fmt::format("{} cannot be written: {}", path, std::strerror(errno)));
  std::array<unsigned char, 8> raw{};
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<unsigned char>(text.size() >> (8 * i) & 0xff);
  const auto put = [file](const void* data, std::size_t bytes) {
    return bytes == 0 || std::fwrite(data, 1, bytes, file) == bytes;
  };
  bool ok = put(raw.data(), raw.size()) && put(text.data(), text.size());
  for (const auto& [name, array] : order) ok = ok && put(array->data.data(), array->data.size());
  const int problem = errno;
  if (std::fclose(file) != 0 || !ok)
    throw Failure(fmt::format("{} cannot be written: {}", path, std::strerror(ok ? errno : problem)));
}

}  // namespace attnrt::cli
