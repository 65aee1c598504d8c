// SPDX-License-Identifier: Apache-2.0
#include "safetensors.hpp"

#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <random>

#include "failure.hpp"
#include "scratch.hpp"

using namespace attnrt::cli;

namespace {

/// The bytes of a file with this header and so many bytes of data.
std::string file_of(const std::string& header, std::size_t data) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(header.size() >> (8 * i) & 0xff);
  return bytes + header + std::string(data, '\x3f');
}

void put(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// The sentence with which a file is refused, "" where it is read, all its tensors included.
std::string refusal(const std::string& path) {
  try {
    const Safetensors file(path);
    for (const auto& [name, entry] : file.header().tensors) {
      const Array array = file.read(name);
      REQUIRE(array.data.size() == static_cast<std::size_t>(array.elements()) * bytes_of(array.dtype));
      REQUIRE(reinterpret_cast<std::uintptr_t>(array.data.data()) % 64 == 0);
    }
    return "";
  } catch (const Failure& failure) {
    CHECK(failure.status() == kUsage);
    CHECK(std::string(failure.what()).find('\n') == std::string::npos);
    return failure.what();
  }
}

const std::string kSmall = R"({"__metadata__":{"a":"b"},"q":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                           R"("x":{"dtype":"BF16","shape":[3],"data_offsets":[24,30]}})";

}  // namespace

TEST_CASE("a small file is read") {
  const Scratch scratch("small");
  put(scratch.file("f"), file_of(kSmall, 30));
  const Safetensors file(scratch.file("f"));
  CHECK(file.header().metadata.at("a") == "b");
  CHECK(file.header().tensors.size() == 2);
  const Array q = file.read("q");
  CHECK(q.shape == Shape{2, 3});
  CHECK(q.as<uint32_t>()[5] == 0x3f3f3f3f);
  CHECK_THROWS_WITH(file.read("y"), Catch::Contains("has no tensor 'y'"));
}

TEST_CASE("every truncation is refused with a sentence") {
  const Scratch scratch("truncated");
  const std::string whole = file_of(kSmall, 30);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    put(scratch.file("f"), whole.substr(0, length));
    CHECK(refusal(scratch.file("f")).find("wanted") != std::string::npos);
  }
  put(scratch.file("f"), whole);
  CHECK(refusal(scratch.file("f")).empty());
}

TEST_CASE("flipped bits are refused or harmless") {
  const Scratch scratch("flipped");
  const std::string whole = file_of(kSmall, 30);
  std::mt19937 random(20240607);
  int refused = 0;
  const int rounds = 1000;
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = whole;
    for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips) {
      const std::size_t bit = random() % ((8 + kSmall.size()) * 8);
      bytes[bit / 8] = static_cast<char>(static_cast<unsigned char>(bytes[bit / 8]) ^ 1u << bit % 8);
    }
    put(scratch.file("f"), bytes);
    refused += !refusal(scratch.file("f")).empty();
  }
  CHECK(refused > rounds / 2);  // harmless: letters of names and metadata
  CHECK(refused < rounds);
}

TEST_CASE("each malformation has its sentence") {
  const Scratch scratch("malformed");
  const struct {
    std::string bytes;
    const char* sentence;
  } cases[] = {
      {"", "the file has 0 bytes, wanted 8"},
      {std::string(8, '\xff'), "the header is 18446744073709551615 bytes long, wanted at most 4194304"},
      {std::string("\x10\0\0\0\0\0\0\0{}", 10), "the header is 16 bytes long, wanted at most 2"},
      {file_of("", 0), "the header is not JSON"},
      {file_of("{", 0), "the header is not JSON"},
      {file_of("{} {}", 0), "the header is not JSON at byte 3"},
      {file_of("[1]", 0), "the header is '[1]', wanted a JSON object"},
      {file_of(std::string(100000, '['), 0), "the header is not JSON"},
      {file_of(R"({"q":3})", 0), "tensor 'q' is '3', wanted an object"},
      {file_of(R"({"q":{"shape":[],"data_offsets":[0,4]}})", 4), "tensor 'q' has no dtype"},
      {file_of(R"({"q":{"dtype":"F31","shape":[],"data_offsets":[0,4]}})", 4),
       "has dtype '\"F31\"', wanted one of BOOL"},
      {file_of(R"({"q":{"dtype":3,"shape":[],"data_offsets":[0,4]}})", 4), "has dtype '3', wanted one of"},
      {file_of(R"({"q":{"dtype":"F32","shape":4,"data_offsets":[0,4]}})", 4), "has shape '4', wanted a list"},
      {file_of(R"({"q":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4), "has '-1' in its shape, wanted whole"},
      {file_of(R"({"q":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4), "in its shape, wanted whole numbers"},
      {file_of(R"({"q":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]}})", 4),
       "wanted whole numbers"},
      {file_of(R"({"q":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", 4),
       "less than 2^63 bytes"},
      {file_of(R"({"q":{"dtype":"F32","shape":[4294967296,0,4294967296],"data_offsets":[0,0]}})", 0), "less than 2^63"},
      {file_of(R"({"q":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4), "wanted [begin, end]"},
      {file_of(R"({"q":{"dtype":"F32","shape":[1],"data_offsets":{}}})", 4), "wanted [begin, end]"},
      {file_of(R"({"q":{"dtype":"F32","shape":[1],"data_offsets":["0",4]}})", 4),
       "in its data_offsets, wanted whole numbers"},
      {file_of(R"({"q":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4),
       "data_offsets [4, 0], wanted them ascending"},
      {file_of(R"({"q":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4), "within the 4 bytes of data"},
      {file_of(R"({"q":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4),
       "has 4 bytes of data, wanted 8 for shape [2]"},
      {file_of(R"({"q":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
               R"("k":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
               6),
       "begins at byte 2 of the data, wanted 4, where the one before it ends (they overlap)"},
      {file_of(R"({"q":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
               R"("k":{"dtype":"U8","shape":[4],"data_offsets":[6,10]}})",
               10),
       "(there is a hole)"},
      {file_of(R"({"q":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 6),
       "the tensors end at byte 4 of the data, wanted 6"},
      {file_of(R"({"q":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
               R"("q":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
               0),
       "names 'q' twice"},
      {file_of(R"({"q":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0), "names 'dtype' twice"},
      {file_of(R"({"__metadata__":[]})", 0), "__metadata__ is '[]', wanted an object of strings"},
      {file_of(R"({"__metadata__":{"causal":true}})", 0), "__metadata__ 'causal' is 'true', wanted a string"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.sentence);
    put(scratch.file("f"), c.bytes);
    CHECK_THAT(refusal(scratch.file("f")), Catch::Contains(c.sentence) && Catch::StartsWith(scratch.file("f") + ": "));
  }
  CHECK_THAT(refusal(scratch.file("none")), Catch::Contains("cannot be read: No such file"));
  CHECK_THAT(refusal(scratch.file("")), Catch::Contains("not a regular file"));
}

TEST_CASE("a file that shrinks after it was opened is an error, not a crash") {
  const Scratch scratch("shrinks");
  put(scratch.file("f"), file_of(kSmall, 30));
  const Safetensors file(scratch.file("f"));
  put(scratch.file("f"), file_of(kSmall, 3));
  CHECK_THROWS_WITH(file.read("q"), Catch::Contains("tensor 'q' cannot be read, wanted 24 bytes"));
}

TEST_CASE("what is written is read again") {
  const Scratch scratch("written");
  Array narrow = make_array(Dtype::U8, {3}, 7), wide = make_array(Dtype::F32, {2, 2}, 0),
        empty = make_array(Dtype::I64, {0, 5}, 0);
  for (int i = 0; i < 4; ++i) wide.as<float>()[i] = static_cast<float>(i) - 1.5f;
  write_safetensors(scratch.file("f"), {{"a narrow \"one\"", &narrow}, {"wide", &wide}, {"empty", &empty}},
                    {{"k", "v\n"}});
  const Safetensors file(scratch.file("f"));
  CHECK(file.header().metadata == std::map<std::string, std::string>{{"k", "v\n"}});
  CHECK(file.header().tensors.size() == 3);
  for (const auto& [name, array] :
       {std::pair<const char*, const Array*>{"a narrow \"one\"", &narrow}, {"wide", &wide}, {"empty", &empty}}) {
    const Array again = file.read(name);
    CHECK(again.dtype == array->dtype);
    CHECK(again.shape == array->shape);
    CHECK(again.data == array->data);
    CHECK(file.header().tensors.at(name).begin % bytes_of(array->dtype) == 0);
  }
  CHECK_THROWS_WITH(write_safetensors(scratch.file("no/f"), {}, {}), Catch::Contains("cannot be written"));
}
