// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_CLI_MODEL_PROBLEM_HPP
#define ATTNRT_CLI_MODEL_PROBLEM_HPP
#include <CLI/CLI.hpp>
#include <vector>

#include "bench/case.hpp"
#include "model_config.hpp"
#include "problem_flags.hpp"

namespace attnrt::cli {

/// Adds --model to a verb.
CLI::Option* add_model_flag(CLI::App& verb, std::string& path);

/// Tells on standard error what the configuration leaves open and is assumed.
void tell_assumed(const ModelConfig& model);

/// Fills what no flag said from the layers of one kind. Throws Failure where a flag asks for another kind of model.
void fill_from_model(ProblemFlags& flags, const ModelConfig& model, const LayerKind& kind);

/// The kind of layer `layer`; without one, of all layers. Throws Failure where several kinds leave it open.
const LayerKind& kind_of_layer(const ModelConfig& model, const MaybeSetting& layer);

/// Throws Failure for latent attention of sizes that bench does not measure.
void want_measured(const ModelConfig& model);

/// tell_assumed, and that bench measures without the choice of keys of a model that has one.
void tell_measured(const ModelConfig& model);

/// A case once for each kind of the model's layers, with its window, and the model's softcap, sinks and slopes.
std::vector<BenchCase> of_each_kind(const BenchCase& c, const ModelConfig& model);

/// The cases of a grid that such a model has, with its heads, sizes and kinds of layers. Throws Failure where there is
/// none.
std::vector<BenchCase> cases_of_model(const std::vector<BenchCase>& grid, const ModelConfig& model);

}  // namespace attnrt::cli
#endif
