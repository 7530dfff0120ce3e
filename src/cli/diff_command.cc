// ferry diff: tensors paired by name, or by what a checkpoint says of them, compared by value.
#include <algorithm>
#include <map>

#include "cli/command.h"
#include "cli/element_text.h"
#include "cli/input.h"
#include "cli/json_text.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "ferry/checkpoint.h"
#include "ferry/compare.h"
#include "tensor/compare_behind.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"by", 0, Takes::text, "WHAT", "pair by key (the name in the file), by path (of the object), or by name (of the variable)"},
    {"role", 0, Takes::text, "ROLE", "only weight, slot, counter, state or other; several with commas", true},
    {"rtol", 0, Takes::number, "X", "values may differ by X times the value in B"},
    {"atol", 0, Takes::number, "X", "values may differ by X"},
    {"names-only", 0, Takes::nothing, "", "compare names, dtypes and shapes, read no values"},
    {"strict", 0, Takes::nothing, "", "another kind (COO, CSR, dense …) is a difference too"},
    {"from-b", 0, Takes::format, "FORMAT", "B's format where it is not A's --from"},
    {"json", 0, Takes::nothing, "", "one JSON object"},
};

enum class Verdict : uint8_t { equal, added, removed, dtype, shape, kind, changed };

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::equal: return "equal";
    case Verdict::added: return "added";
    case Verdict::removed: return "removed";
    case Verdict::dtype: return "dtype";
    case Verdict::shape: return "shape";
    case Verdict::kind: return "kind";
    case Verdict::changed: return "changed";
  }
  __builtin_unreachable();
}

struct Pair {
  std::string_view name;
  Role role = Role::weight;
  const TensorInfo* a = nullptr;
  const TensorInfo* b = nullptr;
  size_t at_a = 0, at_b = 0;
  Verdict verdict = Verdict::equal;
  Comparison found;
};

// One side: what its tensors are paired by, and for what they are.
struct Side {
  std::vector<Variable> variables;
  FindBy by = FindBy::key;
  std::vector<bool> wanted;

  std::string_view name(size_t i) const {
    const Variable& at = variables[i];
    return by == FindBy::name ? at.name : by == FindBy::key || at.path.empty() ? at.key : at.path;
  }
};

// Gives false after an error line.
bool describe(Context& context, const Input& input, FindBy by, std::span<const Role> roles, Side& side) {
  auto objects = read_object_graph(*input.reader, context.limits);
  // Without its objects a checkpoint is still a file of tensors.
  if (!objects.ok() && by != FindBy::key) return context.fail(input.path, objects.status()), false;
  const ObjectGraph* const graph = objects.ok() && objects->has_value() ? &**objects : nullptr;
  auto variables = describe_variables(input.tensors(), graph);
  if (!variables.ok()) return context.fail(input.path, variables.status()), false;
  if (by == FindBy::path && std::ranges::all_of(*variables, [](const Variable& at) { return at.path.empty(); })) {
    context.fail(input.path, unsupported("keeps no objects, so that its tensors have no paths; pair by key or by name"));
    return false;
  }
  side.variables = *std::move(variables);
  side.by = by;
  side.wanted.resize(side.variables.size());
  for (const Variable& at : side.variables) {
    // Keys are in the object graph: two that say the same by other ways are no difference.
    const bool spelling = by != FindBy::key && at.key == ObjectGraph::kKey;
    side.wanted[at.tensor] = !spelling && (roles.empty() || std::ranges::find(roles, at.role) != roles.end());
  }
  return true;
}

// In A's order, then what only B has. Where several are called the same, the first is paired with the first. A file of one nameless
// tensor is compared with the other's only one.
std::vector<Pair> pair_up(const Input& input_a, const Input& input_b, const Side& side_a, const Side& side_b) {
  const auto a = input_a.tensors(), b = input_b.tensors();
  std::vector<Pair> out;
  if (a.size() == 1 && b.size() == 1 && (a[0].name.empty() || b[0].name.empty())) {
    out.push_back({.name = a[0].name.empty() ? b[0].name : a[0].name, .a = &a[0], .b = &b[0], .found = {}});
    return out;
  }
  std::vector<std::pair<std::string_view, size_t>> by_name;
  for (size_t i = 0; i < b.size(); ++i) {
    if (side_b.wanted[i]) by_name.emplace_back(side_b.name(i), i);
  }
  std::sort(by_name.begin(), by_name.end());
  std::vector<bool> taken(b.size());
  std::map<std::string_view, size_t> next;  // of names that came before
  for (size_t i = 0; i < a.size(); ++i) {
    if (!side_a.wanted[i]) continue;
    Pair pair{.name = side_a.name(i), .role = side_a.variables[i].role, .a = &a[i], .at_a = i, .found = {}};
    auto it = std::lower_bound(by_name.begin(), by_name.end(), std::pair(pair.name, next[pair.name]));
    if (it != by_name.end() && it->first == pair.name) {
      pair.at_b = it->second;
      pair.b = &b[it->second];
      taken[it->second] = true;
      next[pair.name] = it->second + 1;
    }
    out.push_back(std::move(pair));
  }
  for (size_t i = 0; i < b.size(); ++i) {
    if (side_b.wanted[i] && !taken[i])
      out.push_back({.name = side_b.name(i), .role = side_b.variables[i].role, .b = &b[i], .at_b = i, .found = {}});
  }
  return out;
}

std::string coordinate_text(std::span<const int64_t> at) {
  std::string out;
  for (int64_t i : at) out += concat(out.empty() ? "" : ", ", i);
  return concat("(", out, ")");
}

std::string one_value(const DenseTensor& x) {
  std::string out;
  element_text(x.dtype())(out, x, 0);
  return out;
}

std::string short_number(double number) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3g", number);
  return text;
}

std::string detail(const Pair& pair) {
  const auto described = [](const TensorInfo& info) {
    return concat(kind_name(info.kind), " ", dtype_name(info.dtype), " ", shape_text(info.shape));
  };
  switch (pair.verdict) {
    case Verdict::equal: return {};
    case Verdict::added: return concat("only in B: ", described(*pair.b));
    case Verdict::removed: return concat("only in A: ", described(*pair.a));
    case Verdict::dtype: return concat(dtype_name(pair.a->dtype), " and ", dtype_name(pair.b->dtype));
    case Verdict::shape: {
      const std::string a = shape_text(pair.a->shape), b = shape_text(pair.b->shape);
      if (a != b) return concat(a, " and ", b);
      return pair.a->kind == pair.b->kind ? concat("rows of other lengths in ", a)
                                          : concat(kind_name(pair.a->kind), " and ", kind_name(pair.b->kind));
    }
    case Verdict::kind: return concat(kind_name(pair.a->kind), " and ", kind_name(pair.b->kind), ", the values are equal");
    case Verdict::changed: {
      const Comparison& found = pair.found;
      std::string out = concat(counted(static_cast<uint64_t>(found.differing), "value"));
      if (found.max_absolute > 0)
        out += concat(", by at most ", short_number(found.max_absolute), " (", short_number(found.max_relative), " relative), norm ",
                      short_number(found.norm));
      return concat(out, "; first at ", coordinate_text(found.first), ": ", one_value(found.first_a), " and ", one_value(found.first_b));
    }
  }
  __builtin_unreachable();
}

void print_info(JsonText& json, std::string_view key, const TensorInfo* info) {
  json.key(key);
  if (info == nullptr) {
    json.null();
    return;
  }
  json.begin_object()
      .member("kind", kind_name(info->kind))
      .member("dtype", dtype_name(info->dtype))
      .key("shape")
      .shape(info->shape)
      .end_object();
}

void print_json(Context& context, const Input& a, const Input& b, std::span<const Pair> pairs, bool equal) {
  JsonText json(context.out);
  json.begin_object()
      .member("schema", 1)
      .member("equal", equal)
      .member("a", std::string_view(a.path))
      .member("b", std::string_view(b.path));
  json.key("tensors").begin_list();
  for (const Pair& pair : pairs) {
    json.begin_object().member("name", pair.name).member("status", verdict_name(pair.verdict)).member("role", role_name(pair.role));
    print_info(json, "a", pair.a);
    print_info(json, "b", pair.b);
    if (pair.verdict == Verdict::changed) {
      json.member("differing", pair.found.differing).member("max_abs", pair.found.max_absolute).member("max_rel", pair.found.max_relative);
      json.member("norm", pair.found.norm);
      json.key("first").begin_object().key("at").begin_list();
      for (int64_t i : pair.found.first) json.integer(i);
      json.end_list()
          .member("a", std::string_view(one_value(pair.found.first_a)))
          .member("b", std::string_view(one_value(pair.found.first_b)));
      json.end_object();
    }
    json.end_object();
  }
  json.end_list().end_object();
  context.out.print("\n");
}

// Gives false after an error line.
bool judge(Context& context, const Arguments& arguments, const Input& a, const Input& b, Pair& pair) {
  if (pair.a == nullptr || pair.b == nullptr) {
    pair.verdict = pair.a == nullptr ? Verdict::added : Verdict::removed;
    return true;
  }
  const bool ragged = pair.a->kind == TensorKind::ragged, ragged_b = pair.b->kind == TensorKind::ragged;
  if (pair.a->dtype != pair.b->dtype) {
    pair.verdict = Verdict::dtype;
  } else if (pair.a->shape != pair.b->shape || ragged != ragged_b) {
    pair.verdict = Verdict::shape;
  } else if (!arguments.has("names-only")) {
    const auto read = [&](const Input& input, size_t i) -> std::optional<Tensor> {
      auto tensor = input.reader->read(i);
      Status status = tensor.ok() ? validate(*tensor, Validation::bounds) : tensor.status();
      if (status.ok()) return *std::move(tensor);
      context.fail(input.path, status.with_context(concat("tensor ", display_name(pair.name))));
      return std::nullopt;
    };
    const auto x = read(a, pair.at_a);
    if (!x) return false;
    const auto y = read(b, pair.at_b);
    if (!y) return false;
    ThreadPool* pool = num_bytes_of(*x) >= (1 << 20) ? context.pool() : nullptr;
    auto found = compare_behind(*x, *y, {.relative = arguments.number("rtol", 0), .absolute = arguments.number("atol", 0)}, pool);
    if (!found.ok()) {
      context.fail(a.path, found.status().with_context(concat("tensor ", display_name(pair.name))));
      return false;
    }
    pair.found = *std::move(found);
    pair.verdict = pair.found.dtype_differs   ? Verdict::dtype
                   : pair.found.shape_differs ? Verdict::shape
                   : pair.found.differing > 0 ? Verdict::changed
                                              : Verdict::equal;
  }
  if (pair.verdict == Verdict::equal && arguments.has("strict") && pair.a->kind != pair.b->kind) pair.verdict = Verdict::kind;
  return true;
}

std::optional<FindBy> find_by(Context& context, const Arguments& arguments) {
  const std::string_view word = arguments.get("by").value_or("key");
  if (word == "key") return FindBy::key;
  if (word == "path") return FindBy::path;
  if (word == "name") return FindBy::name;
  constexpr std::string_view kWords[] = {"key", "path", "name"};
  context.usage(concat("--by is ", quoted(word), ", expected key, path or name", did_you_mean(word, kWords)));
  return std::nullopt;
}

std::optional<std::vector<Role>> wanted_roles(Context& context, const Arguments& arguments) {
  constexpr Role kRoles[] = {Role::weight, Role::slot, Role::counter, Role::state, Role::other};
  std::vector<Role> out;
  for (const std::string_view text : arguments.all("role")) {
    for (const std::string_view word : split(text, ',')) {
      const auto it = std::ranges::find(kRoles, word, role_name);
      if (it == std::end(kRoles)) {
        context.usage(concat("--role is ", quoted(word), ", expected weight, slot, counter, state or other"));
        return std::nullopt;
      }
      out.push_back(*it);
    }
  }
  return out;
}

int run(Context& context, const Arguments& arguments) {
  for (std::string_view name : {"rtol", "atol"}) {
    if (!(arguments.number(name, 0) >= 0))
      return context.usage(concat("--", name, " is ", quoted(*arguments.get(name)), ", expected 0 or more"));
  }
  const auto by = find_by(context, arguments);
  if (!by) return kUsage;
  const auto roles = wanted_roles(context, arguments);
  if (!roles) return kUsage;
  const auto words = arguments.words();
  if (words[0] == "-" && words[1] == "-") return context.usage("stdin can be one of the two files only");
  const auto a = open_input(context, arguments, words[0]);
  if (!a) return context.exit_code();
  const auto b = open_input(context, arguments, words[1], nullptr, "from-b");
  if (!b) return context.exit_code();
  Side side_a, side_b;
  if (!describe(context, *a, *by, *roles, side_a) || !describe(context, *b, *by, *roles, side_b)) return context.exit_code();
  std::vector<Pair> pairs = pair_up(*a, *b, side_a, side_b);
  uint64_t total = 0;
  for (const Pair& pair : pairs) total += pair.a != nullptr && pair.b != nullptr ? pair.a->bytes : 0;
  size_t differing = 0, other_kinds = 0;
  {
    Progress progress(context, "comparing", total);
    for (Pair& pair : pairs) {
      if (!judge(context, arguments, *a, *b, pair)) return context.exit_code();
      if (pair.a != nullptr && pair.b != nullptr) progress.advance(pair.a->bytes);
      differing += pair.verdict != Verdict::equal;
      other_kinds += pair.verdict == Verdict::equal && pair.a->kind != pair.b->kind;
    }
  }
  if (arguments.has("json")) {
    print_json(context, *a, *b, pairs, differing == 0);
    return differing == 0 ? 0 : kNegative;
  }
  if (differing == 0) {
    context.out.print("equal: ", counted(pairs.size(), "tensor"));
    if (arguments.has("names-only")) context.out.print(", by name, dtype and shape");
    if (other_kinds > 0) context.out.print(", ", other_kinds, " of another kind");
    context.out.print("\n");
    return 0;
  }
  // Roles tell something where there are several.
  const bool roles_differ = std::ranges::any_of(pairs, [&](const Pair& pair) { return pair.role != pairs[0].role; });
  Table table(roles_differ ? std::vector<std::string>{"NAME", "ROLE", "DIFFERS", "HOW"}
                           : std::vector<std::string>{"NAME", "DIFFERS", "HOW"});
  for (const Pair& pair : pairs) {
    if (pair.verdict == Verdict::equal) continue;
    std::vector<std::string> cells{display_name(pair.name), std::string(verdict_name(pair.verdict)), detail(pair)};
    if (roles_differ) cells.insert(cells.begin() + 1, std::string(role_name(pair.role)));
    table.add(std::move(cells));
  }
  table.print(context.out, context.colour_out);
  return kNegative;
}

}  // namespace

extern const Command diff_command = {
    .group = Group::look,
    .name = "diff",
    .summary = "exit 1 and a table where two files differ",
    .usage = "A B",
    .options = kOptions,
    .reads = true,
    .writes = false,
    .least = 2,
    .most = 2,
    .details =
        "Tensors are paired by name; a file's only tensor, if nameless, with the other file's only one. Values are compared whatever\n"
        "the kind, layout and order of entries, and nothing sparse is made dense. NaN equals NaN. With tolerances, a and b are equal\n"
        "where |a - b| <= atol + rtol * |b|.\n"
        "\n"
        "Checkpoints may be paired by the object that held a variable (--by path) or by the name that the program gave it (--by name),\n"
        "whatever the file calls it; of several with one name the first is paired with the first. --role weight leaves out the\n"
        "optimizer's slots, counters and states.",
    .example = "ferry diff a.npz b.mtx --rtol 1e-6",
    .run = run,
};

}  // namespace ferry::cli
