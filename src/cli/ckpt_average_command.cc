// ferry ckpt average: the mean of several checkpoints of one model.
#include <cmath>

#include "cli/ckpt_files.h"
#include "cli/command.h"
#include "cli/text.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"weights", 0, Takes::text, "W,W...", "how much each counts; without it all alike"},
    {"decay", 0, Takes::number, "X", "each counts 1 - X, and X of the mean of those before it (an exponential moving average)"},
    kCheckOutput,
};

// Empty after a line about a wrong option.
std::vector<double> weights_of(Context& context, const Arguments& arguments, size_t count) {
  std::vector<double> out(count, 1);
  const auto given = arguments.get("weights");
  if (given && arguments.has("decay")) return context.usage("--weights and --decay say the same thing twice"), std::vector<double>();
  if (arguments.has("decay")) {
    const double decay = arguments.number("decay", 0);
    if (!(decay >= 0 && decay < 1)) return context.usage("--decay is a number from 0 to below 1"), std::vector<double>();
    for (size_t i = 0; i < count; ++i) out[i] = std::pow(decay, static_cast<double>(count - 1 - i)) * (i == 0 ? 1 : 1 - decay);
  }
  if (!given) return out;
  const auto words = split(*given, ',');
  if (words.size() != count) {
    return context.usage(concat("--weights has ", counted(words.size(), "number"), ", and there are ", counted(count, "checkpoint"))),
           std::vector<double>();
  }
  double total = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto number = parse_number(words[i]);
    if (!number || !std::isfinite(*number))
      return context.usage(concat("--weights has ", quoted(words[i]), ", expected a number")), std::vector<double>();
    out[i] = *number;
    total += *number;
  }
  if (total == 0 || !std::isfinite(total))
    return context.usage("--weights add up to nothing that could be divided by"), std::vector<double>();
  return out;
}

// What is no number with a mean has to agree; where it does not, a line says whose it is.
bool compare_others(Context& context, const std::vector<CkptInput>& inputs, const AverageReader& mean) {
  const auto infos = mean.tensors();
  const CkptInput& last = inputs.back();
  std::string differing;
  for (size_t i = 0; i < infos.size(); ++i) {
    if (AverageReader::is_averaged(infos[i].dtype)) continue;
    const auto wanted = mean.read(i);
    if (!wanted.ok()) return context.fail(last.input.path, wanted.status()), false;
    for (const CkptInput& other : inputs) {
      if (&other == &last) break;
      const auto at = other.input.find(context, infos[i].name);
      if (!at) return false;
      const auto tensor = other.input.reader->read(*at);
      if (!tensor.ok()) return context.fail(other.input.path, tensor.status()), false;
      if (identical(*wanted, *tensor)) continue;
      differing += concat(differing.empty() ? "" : ", ", display_name(infos[i].name));
      break;
    }
  }
  if (!differing.empty()) context.warn(last.input.path, concat("not averaged and not the same in all, taken from this one: ", differing));
  return true;
}

int run(Context& context, const Arguments& arguments) {
  const auto words = arguments.words();
  const auto paths = words.first(words.size() - 1);
  const std::vector<double> weights = weights_of(context, arguments, paths.size());
  if (weights.empty()) return context.exit_code();
  std::vector<CkptInput> inputs;
  std::vector<AverageReader::Source> sources;
  for (std::string_view path : paths) {
    auto input = open_ckpt(context, arguments, path);
    if (!input) return context.exit_code();
    inputs.push_back(*std::move(input));
    sources.push_back({inputs.back().input.reader.get(), std::string(path), weights[sources.size()]});
  }
  auto mean = AverageReader::open(std::move(sources), context.pool());
  if (!mean.ok()) return context.fail(mean.status());
  if (!compare_others(context, inputs, **mean)) return context.exit_code();
  return write_ckpt(context, arguments, picked(**mean), nullptr, words[0], words.back());
}

}  // namespace

extern const Command ckpt_average_command = {
    .group = Group::restore,
    .name = "ckpt average",
    .summary = "the weighted mean of several checkpoints of one model",
    .usage = "IN... OUT",
    .options = kOptions,
    .reads = true,
    .writes = false,
    .least = 2,
    .most = kAnyNumber,
    .details =
        "OUT is a prefix. All have the same tensors, of the same dtypes and shapes. Floating point and complex elements are summed in "
        "double\n"
        "precision and rounded once; what is equal in all stays as it is, bit for bit. Whole numbers, texts and the like have to agree; "
        "where they\n"
        "do not, the last one's are taken, and a line says so.",
    .example = "ferry ckpt average model.ckpt-90 model.ckpt-95 model.ckpt-100 mean",
    .run = run,
};

}  // namespace ferry::cli
