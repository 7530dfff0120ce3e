// ferry convert: any format to any, and on the way the changes that were asked for, in this order: select, densify or
// sparsify, coalesce, sort, layout, cast, rename, rules.
#include <algorithm>

#include "checkpoint/rename.h"
#include "checkpoint/transformed_reader.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/text.h"
#include "ferry/cast.h"
#include "ferry/ragged.h"
#include "ferry/sparse.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"select", 0, Takes::text, "NAME", "only this tensor; * and ? stand for letters", true},
    {"rename", 0, Takes::text, "REGEX=NAME", "rename what matches; \\1 is a group; @FILE holds rules", true},
    {"rules", 0, Takes::path, "FILE", "lines that drop, rename, transpose, reshape, cast, split and merge", true},
    {"cast", 0, Takes::text, "[NAME=]DTYPE", "other elements, as tf.cast; without NAME of every tensor", true},
    {"checked", 0, Takes::nothing, "", "refuse a --cast that loses more than rounding does"},
    {"layout", 0, Takes::layout, "LAYOUT", "coo, csr or csc for every sparse tensor"},
    {"sort", 0, Takes::nothing, "", "entries of sparse tensors in row-major order"},
    {"coalesce", 0, Takes::duplicates, "RULE", "one entry a coordinate: sum, first, last, min, max, error"},
    {"sparsify", 0, Takes::nothing, "", "make dense and ragged tensors sparse"},
    {"densify", 0, Takes::nothing, "", "make sparse and ragged tensors dense, ragged rows filled up with zeros"},
    {"check", 0, Takes::nothing, "", "read OUT again, and give it its name only where it holds the same bits"},
};

struct Cast {
  std::string_view name;  // pattern; empty for all
  bool for_all = true;
  DType dtype = DType::float32;
  bool used = false;
};

struct Plan {
  RenameRules rename;
  TensorRules rules;
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
  for (std::string_view path : arguments.all("rules")) {
    auto rules = TensorRules::read(std::string(path));
    if (!rules.ok()) {
      context.fail(rules.status());
      return std::nullopt;
    }
    plan.rules.append(*std::move(rules));
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

TensorKind kind_of_layout(Layout layout) {
  switch (layout) {
    case Layout::coo: return TensorKind::coo;
    case Layout::csr: return TensorKind::csr;
    case Layout::csc: return TensorKind::csc;
  }
  __builtin_unreachable();
}

// What changed() makes of a tensor that is listed so; false where the listing does not tell.
bool predicted(TensorInfo& info, const Plan& plan, const Format& out) {
  const bool matrix = info.shape.rank() == 2;
  if (info.kind == TensorKind::ragged) return !plan.densify && !plan.sparsify;
  info.nnz = -1;
  if (plan.densify) {
    info.kind = TensorKind::dense;
    const auto count = info.shape.num_elements();
    if (!count) return false;
    info.bytes = static_cast<uint64_t>(*count) * (info.dtype == DType::string ? 8 : dtype_size(info.dtype));
    return true;
  }
  if (info.kind == TensorKind::dense) {
    if (!plan.sparsify) return true;
    info.kind = kind_of_layout(matrix ? plan.layout.value_or(Layout::coo) : Layout::coo);
  }
  const KindSet& takes = out.capabilities.kinds;
  if (plan.layout) {
    if (*plan.layout != Layout::coo && !matrix) return false;
    info.kind = kind_of_layout(*plan.layout);
  } else if (!takes.has(info.kind)) {  // fit_layout()
    if (takes.coo) {
      info.kind = TensorKind::coo;
    } else if (matrix && (takes.csr || takes.csc)) {
      info.kind = takes.csr ? TensorKind::csr : TensorKind::csc;
    }
  }
  return true;
}

bool does_nothing(const TensorInfo& info, const Plan& plan, const Format& out) {
  if (info.kind == TensorKind::dense) return !plan.sparsify;
  if (plan.densify || plan.sparsify) return false;
  if (info.kind == TensorKind::ragged) return true;
  return !plan.coalesce && !plan.sort && !plan.layout && out.capabilities.kinds.has(info.kind);
}

Status transform(TransformedReader& tensors, Plan& plan, const Format& out, const Limits& limits, ThreadPool* pool) {
  const auto change = std::make_shared<const TensorChange>(TensorChange{
      .apply =
          [&plan, &out, limits, pool](Tensor x) {
            const bool large = num_bytes_of(x) >= (1 << 20);
            return changed(std::move(x), plan, out, limits, large ? pool : nullptr);
          },
      .predict = [&plan, &out](TensorInfo& info) { return predicted(info, plan, out); },
  });
  for (size_t i = 0; i < tensors.tensors().size(); ++i) {
    if (!does_nothing(tensors.tensors()[i], plan, out)) FERRY_RETURN_IF_ERROR(tensors.change(i, change));
    for (Cast& cast : plan.casts) {
      if (!cast.for_all && !is_named(cast.name, tensors.tensors()[i].name)) continue;
      cast.used = true;
      FERRY_RETURN_IF_ERROR(tensors.cast(i, cast.dtype, plan.checked));
    }
  }
  FERRY_RETURN_IF_ERROR(tensors.rename(plan.rename));
  return tensors.apply(plan.rules);
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
  uint64_t total = 0;
  for (size_t i : *wanted) total += input->tensors()[i].bytes;
  ThreadPool* pool = total >= (1 << 20) ? context.pool() : nullptr;
  TransformedReader tensors(*input->reader, {.limits = context.limits, .pool = pool});
  tensors.select(*wanted);
  if (const Status status = transform(tensors, *plan, *out, context.limits, pool); !status.ok()) return context.fail(in_path, status);
  for (const Cast& cast : plan->casts) {
    if (!cast.used && !cast.for_all) {
      (void)input->find(context, cast.name);
      return context.exit_code();
    }
  }
  return write_output(context, tensors, in_path, out_path, *out, *options, arguments.has("check"));
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
        "densify or sparsify, coalesce, sort, layout, cast, rename, rules. OUT appears whole or not at all. Tensors are read when they\n"
        "are written where OUT's format can do that (ckpt, npz, safetensors), so that sets larger than memory pass through.\n"
        "\n"
        "--set KEY=VALUE goes to each side whose format has that option; in.KEY and out.KEY mean one side.\n"
        "--cast and --select take names as they are in IN.",
    .example = "ferry convert train.libsvm train.npz --cast float32 --layout csr",
    .run = run,
};

}  // namespace ferry::cli
