// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_TESTS_CLI_MADE_FILE_HPP
#define ATTNRT_TESTS_CLI_MADE_FILE_HPP
#include <boost/json.hpp>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "safetensors.hpp"

using Tensors = std::map<std::string, attnrt::cli::Array>;
using Words = std::map<std::string, std::string>;

/// The next bits of the generator behind noise().
uint32_t random_bits();
/// F32, normally distributed.
attnrt::cli::Array noise(attnrt::cli::Shape shape);
attnrt::cli::Array ints(std::initializer_list<int32_t> values);

/// One request's geometry for the reference: rows of q, rows of k and v, and positions.
struct Request {
  int64_t q0, queries, k0, keys, seq_len;
};

struct Attention {
  double scale = 1;
  double softcap = 0;
  bool causal = true;
  int64_t left = -1, right = -1;
  const attnrt::cli::Array* sinks = nullptr;
  const attnrt::cli::Array* slopes = nullptr;
  /// Of request, head, query and key: what is added to the score, -inf hides the key.
  std::function<double(int64_t, int64_t, int64_t, int64_t)> bias;
};

/// Adds expected.out and expected.lse; v has the width dv and may be the first columns of wider rows.
void expect(Tensors& file, const attnrt::cli::Array& q, const attnrt::cli::Array& k, const attnrt::cli::Array& v,
            int64_t dv, const std::vector<Request>& requests, const Attention& a);

void write_file(const std::string& path, const Tensors& tensors, const Words& metadata);

/// Writes the file, runs the program on it, and wants this exit status.
boost::json::value check_file(const Tensors& tensors, const Words& metadata, const std::string& flags = "",
                              int status = 0);

/// Writes the file, runs the program on it, and wants exit status 2 and a sentence that holds this.
void check_refused(const Tensors& tensors, const Words& metadata, const std::string& sentence,
                   const std::string& flags = "");

#endif
