// SPDX-License-Identifier: Apache-2.0
//
// attnrt flex explain: what a program is after parsing and after simplifying, and which blocks it leaves to be
// computed.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "attnrt/flex/bind.hpp"
#include "attnrt/flex/block_mask.hpp"
#include "attnrt/flex/canonical.hpp"
#include "document.hpp"
#include "failure.hpp"
#include "flex/program.hpp"
#include "setting_flag.hpp"
#include "verbs.hpp"

namespace attnrt::cli {
namespace {

using flex::Visibility;

struct ExplainFlags {
  FlexFlags program;
  std::string file;
  MaybeSetting queries, keys, head, block;
  bool as_json = false;
};

struct Blocks {
  flex::BlockGrid grid;
  std::vector<Visibility> seen;
  int64_t count(Visibility what) const { return std::count(seen.begin(), seen.end(), what); }
};

Blocks blocks_of(const flex::Program& program, FlexArrays& arrays, const ExplainFlags& flags) {
  const auto size = [](const MaybeSetting& said, int64_t otherwise) {
    return static_cast<int32_t>(said ? whole(*said, 1, 1 << 24) : otherwise);
  };
  Blocks out;
  const int32_t queries = size(flags.queries, 2048), keys = size(flags.keys, queries), block = size(flags.block, 128);
  if (keys < queries)
    throw Failure(fmt::format("--keys is {}, wanted at least --queries {}: queries stand at the end", keys, queries));
  out.grid = {keys - queries, queries, keys, block, block};
  std::vector<flex::BufferView> views(program.buffers.size());
  std::vector<flex::BufferRanges> ranges;
  const flex::RegionAnalysis needs(program, nullptr);
  const attnrt_flex_buffers* const given = arrays.get();
  const auto wanted = [&](std::size_t i) { return needs.reads(i); };
  if (!program.buffers.empty()) {
    const std::string why =
        flex::bind(program, given->count ? given->tensors : nullptr, program.buffers.size(), wanted, views.data());
    if (!why.empty()) throw Failure(why + "; --file FILE.safetensors gives it as flex.NAME");
  }
  for (std::size_t i = 0; i < views.size(); ++i) {
    ranges.emplace_back(wanted(i));
    if (wanted(i)) ranges.back().fill(program.buffers[i], views[i]);
  }
  flex::RegionAnalysis analysis(program, ranges.data());
  const int32_t head = flags.head ? static_cast<int32_t>(whole(*flags.head, 0, 65535)) : 0;
  out.seen.resize(static_cast<std::size_t>(out.grid.rows()) * static_cast<std::size_t>(out.grid.columns()));
  flex::find_blocks(analysis, out.grid, {0, 0, head, head, 0, 0, 0, 0}, out.seen.data());
  return out;
}

/// At most 64 letters wide: # full, + partial, . empty; of several blocks the sum of what they are.
void print_picture(const Blocks& b) {
  constexpr int32_t kMost = 64;
  const int32_t rows = b.grid.rows(), columns = b.grid.columns();
  const int32_t step = (std::max(rows, columns) + kMost - 1) / kMost;
  for (int32_t r = 0; r < rows; r += step) {
    std::string line;
    for (int32_t c = 0; c < columns; c += step) {
      bool full = false, empty = false, partial = false;
      for (int32_t i = r; i < std::min(rows, r + step); ++i)
        for (int32_t k = c; k < std::min(columns, c + step); ++k) {
          const Visibility seen =
              b.seen[static_cast<std::size_t>(i) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(k)];
          full |= seen == Visibility::full, empty |= seen == Visibility::empty, partial |= seen == Visibility::unknown;
        }
      line += partial || (full && empty) ? '+' : full ? '#' : '.';
    }
    fmt::print("{}\n", line);
  }
}

int explain(const ExplainFlags& flags) {
  const std::shared_ptr<const Flex> given = read_flex(flags.program);
  flex::Program program;
  const std::string_view bytes(given->get()->bytes, given->get()->num_bytes);
  if (const std::string why = flex::read_canonical(bytes, program); !why.empty()) throw Failure(why);
  program = flex::simplify(program);
  std::optional<Safetensors> file;
  FlexArrays arrays;
  if (!flags.file.empty()) {
    file.emplace(flags.file);
    arrays = FlexArrays(*given, *file);
  }
  const Blocks blocks = blocks_of(program, arrays, flags);
  const auto all = static_cast<double>(blocks.seen.size());
  const auto share = [&](Visibility what) { return 100.0 * static_cast<double>(blocks.count(what)) / all; };
  if (flags.as_json) {
    print_json(boost::json::object{{"program", given->text()},
                                   {"simplified", given->text(true)},
                                   {"canonical", std::string(bytes)},
                                   {"queries", blocks.grid.num_queries},
                                   {"keys", blocks.grid.num_keys},
                                   {"block", blocks.grid.query_block},
                                   {"full", blocks.count(Visibility::full)},
                                   {"partial", blocks.count(Visibility::unknown)},
                                   {"empty", blocks.count(Visibility::empty)}});
    return kDone;
  }
  fmt::print("program\n{}\nas kernels run it\n{}\n", given->text(), given->text(true));
  fmt::print("{} queries over {} keys in blocks of {}: {:.1f} % full, {:.1f} % partial, {:.1f} % empty\n",
             blocks.grid.num_queries, blocks.grid.num_keys, blocks.grid.query_block, share(Visibility::full),
             share(Visibility::unknown), share(Visibility::empty));
  print_picture(blocks);
  return kDone;
}

}  // namespace

void add_flex(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<ExplainFlags>();
  CLI::App* verb = app.add_subcommand("flex", "Programs of FLEX_ATTENTION: what they are and what they cost");
  CLI::App* told =
      verb->add_subcommand("explain", "The program, simplified, and the blocks of queries and keys that it sees");
  verb->require_subcommand(1);
  told->add_option("PROGRAM", flags->program.program, "A mask and a score, or a file that holds them")->required();
  told->add_option("--flex-buffer", flags->program.buffers, "A buffer that the program reads: 'doc=i32[num_tokens]'")
      ->type_name("NAME=TYPE");
  told->add_option("--file", flags->file, "A safetensors file with the buffers as flex.NAME")->type_name("FILE");
  add_setting(*told, "--queries", "N", flags->queries, "Queries of the request: 2048");
  add_setting(*told, "--keys", "N", flags->keys, "Its keys; the queries are the last of them: as many as queries");
  add_setting(*told, "--head", "N", flags->head, "The query head: 0");
  add_setting(*told, "--block", "N", flags->block, "Queries and keys of a block: 128");
  told->add_flag("--json", flags->as_json, "As JSON, with the canonical form");
  told->callback([flags, &action] { action = [flags](const GlobalFlags&) { return explain(*flags); }; });
}

}  // namespace attnrt::cli
