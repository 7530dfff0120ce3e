// ferry make: a tensor of random content, the same for the same options everywhere.
#include "cli/command.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "ferry/synthesize.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"shape", 0, Takes::text, "N,N,…", "lengths of the axes; \"\" is a scalar; ragged: rows, longest row, inner axes (default 4,5)"},
    {"kind", 'k', Takes::kind, "KIND",
     "dense, coo, csr, csc or ragged; by default coo with --density, else dense, where the format holds it"},
    {"density", 'd', Takes::number, "X",
     "the part that is not zero, 0 to 1; ragged: mean row length over the longest (default: sparse 0.1, ragged 0.5)"},
    {"dtype", 0, Takes::dtype, "DTYPE", "element type (default float32)"},
    {"seed", 0, Takes::integer, "N", "another seed, other values (default 0)"},
    {"name", 'n', Takes::text, "NAME", "the tensor's name (default x, or none where the format keeps no names)"},
};

// What was most likely meant, of what the format holds.
TensorKind default_kind(const Format& format, bool density_given) {
  const KindSet& kinds = format.capabilities.kinds;
  const bool sparse = kinds.coo || kinds.csr || kinds.csc;
  if (sparse && (density_given || !kinds.dense)) return TensorKind::coo;
  return kinds.dense || !kinds.ragged ? TensorKind::dense : TensorKind::ragged;
}

int run(Context& context, const Arguments& arguments) {
  const std::string_view path = arguments.words()[0];
  Recipe recipe;
  const std::string_view dims = arguments.get("shape").value_or("4,5");
  const char separator = dims.find(',') == std::string_view::npos ? 'x' : ',';  // 3x4 is how format options spell a shape
  std::vector<int64_t> shape;
  if (!dims.empty()) {
    for (std::string_view dim : split(dims, separator)) {
      while (dim.starts_with(' ')) dim.remove_prefix(1);
      const auto length = parse_integer(dim);
      if (!length || *length < 0) return context.usage(concat("--shape is ", quoted(dims), ", expected lengths like 1000,50"));
      shape.push_back(*length);
    }
  }
  auto checked = Shape::checked(shape);
  if (!checked.ok()) return context.fail(path, checked.status());
  recipe.shape = *std::move(checked);
  const Format* format = output_format(context, arguments, path);
  if (format == nullptr) return context.exit_code();
  recipe.kind = default_kind(*format, arguments.has("density"));
  if (const auto kind = arguments.get("kind")) recipe.kind = *kind_from_name(*kind);
  recipe.density = arguments.number("density", recipe.kind == TensorKind::dense ? 1 : recipe.kind == TensorKind::ragged ? 0.5 : 0.1);
  if (!(recipe.density >= 0 && recipe.density <= 1)) {
    return context.usage(concat("--density is ", quoted(*arguments.get("density")), ", expected 0 to 1"));
  }
  recipe.dtype = arguments.dtype("dtype").value_or(DType::float32);
  recipe.seed = static_cast<uint64_t>(arguments.integer("seed", 0));
  const auto options = output_options(context, arguments, *format);
  if (!options) return context.exit_code();
  TensorMap tensors;
  {
    Progress progress(context, "making");
    constexpr int64_t kWorthThreads = 1 << 16;
    const bool large = recipe.shape.num_elements().value_or(kWorthThreads) >= kWorthThreads;
    auto tensor = synthesize(recipe, context.limits, large ? context.pool() : nullptr);
    if (tensor.ok()) tensor = fit_layout(*tensor, *format, nullptr);
    if (!tensor.ok()) return context.fail(path, tensor.status());
    const std::string_view name = arguments.get("name").value_or(format->capabilities.names ? "x" : "");
    tensors.set(std::string(name), *std::move(tensor));
  }
  return write_output(context, tensors, path, *format, *options);
}

}  // namespace

extern const Command make_command = {
    .group = Group::change,
    .name = "make",
    .summary = "a tensor of random content",
    .usage = "OUT",
    .options = kOptions,
    .reads = false,
    .writes = true,
    .least = 1,
    .most = 1,
    .details =
        "The same options give the same bytes on any machine and for any number of threads, and dense, coo, csr and csc of one seed\n"
        "hold the same values. Floats lie in [-1, 1), integers in 1 to 100; strings are s0 to s999.",
    .example = "ferry make x.npz --shape 1000,500 --density 0.01 --kind csr --seed 7",
    .run = run,
};

}  // namespace ferry::cli
