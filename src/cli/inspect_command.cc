// ferry inspect: what a file holds, from its headers alone, and what a checkpoint says of its variables.
#include <algorithm>

#include "cli/command.h"
#include "cli/input.h"
#include "cli/json_text.h"
#include "cli/object_tree.h"
#include "cli/text.h"
#include "ferry/checkpoint.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"objects", 0, Takes::nothing, "", "the tree of the program's objects that a checkpoint keeps, in place of the table"},
    {"json", 0, Takes::nothing, "", "one JSON object"},
};

struct Facts {
  std::optional<ObjectGraph> objects;
  std::vector<Variable> variables;  // none where roles tell nothing
};

// Gives false after an error line.
bool find_facts(Context& context, const Input& input, bool needs_objects, Facts& facts) {
  auto objects = read_object_graph(*input.reader, context.limits);
  if (objects.ok()) facts.objects = *std::move(objects);
  if (needs_objects) {
    if (!objects.ok()) return context.fail(input.path, objects.status()), false;
    if (!facts.objects) {
      context.fail(input.path, unsupported("keeps no objects; tf.train.Checkpoint, Keras and SavedModel write them"));
      return false;
    }
  }
  auto variables = describe_variables(input.tensors(), facts.objects ? &*facts.objects : nullptr);
  if (!variables.ok()) return context.fail(input.path, variables.status()), false;
  if (facts.objects || std::ranges::any_of(*variables, [](const Variable& at) { return at.role != Role::weight; }))
    facts.variables = *std::move(variables);
  return true;
}

void print_json(Context& context, const Input& input, const Facts& facts, bool with_objects) {
  JsonText json(context.out);
  json.begin_object().member("schema", 1).member("path", std::string_view(input.path)).member("format", input.format->id);
  json.member("file_bytes", input.file_bytes());
  json.key("metadata").metadata(input.reader->metadata());
  json.key("tensors").begin_list();
  const auto or_null = [&](std::string_view key, std::string_view text) {
    json.key(key);
    text.empty() ? json.null() : json.text(text);
  };
  for (size_t i = 0; i < input.tensors().size(); ++i) {
    const TensorInfo& info = input.tensors()[i];
    json.begin_object()
        .member("name", std::string_view(info.name))
        .member("kind", kind_name(info.kind))
        .member("dtype", dtype_name(info.dtype));
    json.key("shape").shape(info.shape);
    json.key("nnz");
    info.nnz < 0 ? json.null() : json.integer(info.nnz);
    json.member("bytes", info.bytes);
    json.key("offset");
    info.offset ? json.unsigned_integer(*info.offset) : json.null();
    json.member("zero_copy", info.zero_copy);
    json.key("metadata").metadata(info.metadata);
    if (!facts.variables.empty()) {
      const Variable& at = facts.variables[i];
      json.member("role", role_name(at.role)).member("variable", std::string_view(at.name));
      or_null("path", at.path);
      or_null("slot_name", at.slot_name);
      or_null("slot_of", at.slot_of);
    }
    json.end_object();
  }
  json.end_list();
  if (with_objects) {
    json.key("objects");
    print_objects(json, *facts.objects);
  }
  json.end_object();
  context.out.print("\n");
}

void print_table(Context& context, const Input& input, const Facts& facts) {
  Printer& out = context.out;
  out.print(printable(input.path), ": ", input.format->id, ", ", counted(input.tensors().size(), "tensor"), ", ",
            human_bytes(input.file_bytes()), "\n");
  for (const auto& [key, value] : input.reader->metadata()) out.print("  ", printable(key), ": ", printable(value), "\n");
  if (input.tensors().empty()) return;
  const bool roles = !facts.variables.empty();
  std::vector<std::string> headers{"NAME", "KIND", "DTYPE", "SHAPE", ">NNZ", ">BYTES", ">OFFSET", "READ", "METADATA"};
  if (roles) headers.insert(headers.begin() + 1, "ROLE");
  Table table(std::move(headers));
  for (size_t i = 0; i < input.tensors().size(); ++i) {
    const TensorInfo& info = input.tensors()[i];
    std::string metadata;
    for (const auto& [key, value] : info.metadata) metadata += concat(metadata.empty() ? "" : " ", printable(key), "=", printable(value));
    std::vector<std::string> cells{display_name(info.name),
                                   std::string(kind_name(info.kind)),
                                   std::string(dtype_name(info.dtype)),
                                   shape_text(info.shape),
                                   info.nnz < 0 ? "-" : concat(info.nnz),
                                   human_bytes(info.bytes),
                                   info.offset ? concat(*info.offset) : "-",
                                   info.zero_copy ? "view" : "copy",
                                   metadata};
    if (roles) cells.insert(cells.begin() + 1, std::string(role_name(facts.variables[i].role)));
    table.add(std::move(cells));
  }
  table.print(out, context.colour_out);
}

int run(Context& context, const Arguments& arguments) {
  const auto input = open_input(context, arguments, arguments.words()[0]);
  if (!input) return context.exit_code();
  const bool objects = arguments.has("objects");
  Facts facts;
  if (!find_facts(context, *input, objects, facts)) return context.exit_code();
  if (arguments.has("json")) {
    print_json(context, *input, facts, objects);
  } else if (objects) {
    print_objects(context.out, *facts.objects, input->tensors());
  } else {
    print_table(context, *input, facts);
  }
  return 0;
}

}  // namespace

extern const Command inspect_command = {
    .group = Group::look,
    .name = "inspect",
    .summary = "format, tensors, shapes, dtypes, offsets: headers only",
    .usage = "PATH",
    .options = kOptions,
    .reads = true,
    .writes = false,
    .least = 1,
    .most = 1,
    .details =
        "NNZ counts stored values of sparse and ragged tensors. OFFSET is where a tensor's data begins in the file.\n"
        "READ says whether reading gives a view into the file or a copy. A tensor without a name is (root).\n"
        "ROLE, where there is more than weights: an optimizer's slots, counters (steps, iterations), states (random generators, metrics,\n"
        "an optimizer's settings), other (the object graph).",
    .example = "ferry inspect x.npz",
    .run = run,
};

}  // namespace ferry::cli
