// ferry inspect: what a file holds, from its headers alone.
#include "cli/command.h"
#include "cli/input.h"
#include "cli/json_text.h"
#include "cli/text.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"json", 0, Takes::nothing, "", "one JSON object"},
};

void print_json(Context& context, const Input& input) {
  JsonText json(context.out);
  json.begin_object().member("schema", 1).member("path", std::string_view(input.path)).member("format", input.format->id);
  json.member("file_bytes", input.file_bytes());
  json.key("metadata").metadata(input.reader->metadata());
  json.key("tensors").begin_list();
  for (const TensorInfo& info : input.tensors()) {
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
    json.end_object();
  }
  json.end_list().end_object();
  context.out.print("\n");
}

void print_table(Context& context, const Input& input) {
  Printer& out = context.out;
  out.print(printable(input.path), ": ", input.format->id, ", ", counted(input.tensors().size(), "tensor"), ", ",
            human_bytes(input.file_bytes()), "\n");
  for (const auto& [key, value] : input.reader->metadata()) out.print("  ", printable(key), ": ", printable(value), "\n");
  if (input.tensors().empty()) return;
  Table table({"NAME", "KIND", "DTYPE", "SHAPE", ">NNZ", ">BYTES", ">OFFSET", "READ", "METADATA"});
  for (const TensorInfo& info : input.tensors()) {
    std::string metadata;
    for (const auto& [key, value] : info.metadata) metadata += concat(metadata.empty() ? "" : " ", printable(key), "=", printable(value));
    table.add({display_name(info.name), std::string(kind_name(info.kind)), std::string(dtype_name(info.dtype)), shape_text(info.shape),
               info.nnz < 0 ? "-" : concat(info.nnz), human_bytes(info.bytes), info.offset ? concat(*info.offset) : "-",
               info.zero_copy ? "view" : "copy", metadata});
  }
  table.print(out, context.colour_out);
}

int run(Context& context, const Arguments& arguments) {
  const auto input = open_input(context, arguments, arguments.words()[0]);
  if (!input) return context.exit_code();
  arguments.has("json") ? print_json(context, *input) : print_table(context, *input);
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
        "READ says whether reading gives a view into the file or a copy. A tensor without a name is (root).",
    .example = "ferry inspect x.npz",
    .run = run,
};

}  // namespace ferry::cli
