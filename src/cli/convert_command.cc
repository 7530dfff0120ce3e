// ferry convert: any format to any, and on the way the changes that were asked for, in this order: select, densify or
// sparsify, coalesce, sort, layout, cast, rename.
#include <algorithm>

#include "checkpoint/rename.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "ferry/cast.h"
#include "ferry/ragged.h"
#include "ferry/sparse.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"select", 0, Takes::text, "NAME", "only this tensor; * and ? stand for letters", true},
    {"rename", 0, Takes::text, "REGEX=NAME", "rename what matches; \\1 is a group; @FILE holds rules", true},
    {"cast", 0, Takes::text, "[NAME=]DTYPE", "other elements, as tf.cast; without NAME of every tensor", true},
    {"checked", 0, Takes::nothing, "", "refuse a --cast that loses more than rounding does"},
    {"layout", 0, Takes::layout, "LAYOUT", "coo, csr or csc for every sparse tensor"},
    {"sort", 0, Takes::nothing, "", "entries of sparse tensors in row-major order"},
    {"coalesce", 0, Takes::duplicates, "RULE", "one entry a coordinate: sum, first, last, min, max, error"},
    {"sparsify", 0, Takes::nothing, "", "make dense and ragged tensors sparse"},
    {"densify", 0, Takes::nothing, "", "make sparse and ragged tensors dense, ragged rows filled up with zeros"},
};

struct Cast {
  std::string_view name;  // pattern; empty for all
  bool for_all = true;
  DType dtype = DType::float32;
  bool used = false;
};

struct Plan {
  RenameRules rename;
  std::vector<Cast> casts;
  std::optional<Layout> layout;
  std::optional<Duplicates> coalesce;
  bool sort = false, sparsify = false, densify = false, checked = false;
};

std::optional<Plan> plan_of(Context& context, const Arguments& arguments) {
  Plan plan;
  const auto wrong = [&](const std::string& message) {
    context.usage(message);
    return std::nullopt;
  };
  for (std::string_view rule : arguments.all("rename")) {
    const Status status = plan.rename.add(rule);
    if (status.ok()) continue;
    if (status.code() == StatusCode::invalid_argument) return wrong(concat("--rename: ", status.message()));
    context.fail(status);
    return std::nullopt;
  }
  for (std::string_view text : arguments.all("cast")) {
    const size_t cut = text.rfind('=');
    const std::string_view dtype = cut == std::string_view::npos ? text : text.substr(cut + 1);
    const auto found = dtype_from_name(dtype);
    if (!found)
      return wrong(concat("--cast names no dtype ", quoted(dtype), did_you_mean(dtype, choices_of(Takes::dtype)), " (ferry help dtypes)"));
    Cast cast;
    cast.dtype = *found;
    if (cut != std::string_view::npos) {
      cast.name = text.substr(0, cut);
      cast.for_all = false;
    }
    plan.casts.push_back(cast);
  }
  if (const auto layout = arguments.get("layout"))
    plan.layout = *layout == "coo" ? Layout::coo : *layout == "csr" ? Layout::csr : Layout::csc;
  if (const auto rule = arguments.get("coalesce")) plan.coalesce = duplicates_from_name(*rule);
  plan.sort = arguments.has("sort");
  plan.sparsify = arguments.has("sparsify");
  plan.densify = arguments.has("densify");
  plan.checked = arguments.has("checked");
  if (plan.sparsify && plan.densify) return wrong("--sparsify and --densify contradict one another");
  return plan;
}

bool is_named(std::string_view pattern, std::string_view name) {
  return pattern == name || (pattern == "(root)" && name.empty()) || matches_pattern(pattern, name);
}

// Positions in the order they were asked for; all without --select.
std::optional<std::vector<size_t>> selected(Context& context, const Arguments& arguments, const Input& input) {
  std::vector<size_t> out;
  const auto infos = input.tensors();
  const auto patterns = arguments.all("select");
  for (size_t i = 0; patterns.empty() && i < infos.size(); ++i) out.push_back(i);
  std::vector<bool> taken(infos.size());
  for (std::string_view pattern : patterns) {
    bool any = false;
    for (size_t i = 0; i < infos.size(); ++i) {
      if (!is_named(pattern, infos[i].name)) continue;
      any = true;
      if (!taken[i]) out.push_back(i);
      taken[i] = true;
    }
    if (any) continue;
    (void)input.find(context, pattern);  // says what there is
    return std::nullopt;
  }
  return out;
}

Result<Tensor> sparse_changed(SparseTensor x, const Plan& plan, const Format& out, ThreadPool* pool) {
  if (plan.coalesce) {
    FERRY_ASSIGN_OR_RETURN(x, coalesce(x, *plan.coalesce, pool));
  } else if (plan.sort) {
    FERRY_ASSIGN_OR_RETURN(x, sort(x, pool));
  }
  const Layout layout = plan.layout.value_or(x.layout());
  if (layout != x.layout()) {
    if (layout != Layout::coo && x.rank() != 2) {
      return unsupported(concat(layout_name(layout), " holds matrices, and the shape is ", x.shape().to_string(), "; use --layout coo"));
    }
    FERRY_ASSIGN_OR_RETURN(x, to_layout(x, layout, std::nullopt, pool));
  }
  return plan.layout ? Result<Tensor>(Tensor(std::move(x))) : fit_layout(Tensor(std::move(x)), out, pool);
}

Result<Tensor> changed(Tensor x, const Plan& plan, const Format& out, const Limits& limits, ThreadPool* pool) {
  if (plan.densify) {
    if (const auto* sparse = std::get_if<SparseTensor>(&x)) {
      SparseTensor entries = *sparse;
      if (plan.coalesce) {
        FERRY_ASSIGN_OR_RETURN(entries, coalesce(entries, *plan.coalesce, pool));
      }
      FERRY_ASSIGN_OR_RETURN(DenseTensor dense, to_dense(entries, Duplicates::sum, limits, pool));
      x = std::move(dense);
    } else if (const auto* ragged = std::get_if<RaggedTensor>(&x)) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor dense, to_dense(*ragged, std::nullopt, {}, limits));
      x = std::move(dense);
    }
  } else if (plan.sparsify) {
    if (const auto* dense = std::get_if<DenseTensor>(&x)) {
      const bool matrix = dense->shape().rank() == 2;
      FERRY_ASSIGN_OR_RETURN(SparseTensor sparse, from_dense(*dense, matrix ? plan.layout.value_or(Layout::coo) : Layout::coo, pool));
      x = std::move(sparse);
    } else if (const auto* ragged = std::get_if<RaggedTensor>(&x)) {
      FERRY_ASSIGN_OR_RETURN(SparseTensor sparse, to_sparse(*ragged));
      x = std::move(sparse);
    }
  }
  const auto* sparse = std::get_if<SparseTensor>(&x);
  return sparse != nullptr ? sparse_changed(*sparse, plan, out, pool) : Result<Tensor>(std::move(x));
}

int run(Context& context, const Arguments& arguments) {
  const std::string_view in_path = arguments.words()[0], out_path = arguments.words()[1];
  auto plan = plan_of(context, arguments);
  if (!plan) return context.exit_code();
  const Format* out = output_format(context, arguments, out_path);
  if (out == nullptr) return context.exit_code();
  const auto input = open_input(context, arguments, in_path, out);
  if (!input) return context.exit_code();
  const auto options = output_options(context, arguments, *out, input->format);
  if (!options) return context.exit_code();
  const auto wanted = selected(context, arguments, *input);
  if (!wanted) return context.exit_code();
  TensorMap tensors;
  tensors.metadata = input->reader->metadata();
  {
    uint64_t total = 0;
    for (size_t i : *wanted) total += input->tensors()[i].bytes;
    Progress progress(context, "reading", total);
    for (size_t i : *wanted) {
      const TensorInfo& info = input->tensors()[i];
      const auto failed = [&](const Status& status) {
        return context.fail(in_path, status.with_context(concat("tensor ", display_name(info.name))));
      };
      auto tensor = input->reader->read(i);
      if (!tensor.ok()) return failed(tensor.status());
      if (const Status status = validate(*tensor, Validation::bounds); !status.ok()) return failed(status);
      ThreadPool* pool = num_bytes_of(*tensor) >= (1 << 20) ? context.pool() : nullptr;
      auto after = changed(*std::move(tensor), *plan, *out, context.limits, pool);
      if (!after.ok()) return failed(after.status());
      for (Cast& cast : plan->casts) {
        if (!cast.for_all && !is_named(cast.name, info.name)) continue;
        cast.used = true;
        after = ferry::cast(*after, cast.dtype, {.checked = plan->checked, .pool = pool});
        if (!after.ok()) return failed(after.status());
      }
      const std::string name = plan->rename.apply(info.name);
      if (tensors.find(name) != nullptr) {
        return failed(invalid_argument(concat("two tensors would be named ", quoted(name), "; change --rename")));
      }
      if (const Status status = tensors.add(name, *std::move(after), info.metadata); !status.ok()) return failed(status);
      progress.advance(info.bytes);
    }
  }
  for (const Cast& cast : plan->casts) {
    if (!cast.used && !cast.for_all) {
      (void)input->find(context, cast.name);
      return context.exit_code();
    }
  }
  return write_output(context, tensors, out_path, *out, *options);
}

}  // namespace

extern const Command convert_command = {
    .group = Group::change,
    .name = "convert",
    .summary = "any format to any, changed on the way as the options say",
    .usage = "IN OUT",
    .options = kOptions,
    .reads = true,
    .writes = true,
    .least = 2,
    .most = 2,
    .details =
        "OUT's format is told by its name or --to. Sparse tensors stay sparse: where a format cannot hold them, the error says what\n"
        "to do. COO, CSR and CSC are turned into one another where OUT's format needs it. Changes are made in this order: select,\n"
        "densify or sparsify, coalesce, sort, layout, cast, rename. OUT appears whole or not at all.\n"
        "\n"
        "--set KEY=VALUE goes to each side whose format has that option; in.KEY and out.KEY mean one side.\n"
        "--cast and --select take names as they are in IN.",
    .example = "ferry convert train.libsvm train.npz --cast float32 --layout csr",
    .run = run,
};

}  // namespace ferry::cli
