// ferry cat: values. Dense as nested lists in columns, sparse as one line an entry, ragged as nested lists.
#include <algorithm>
#include <limits>

#include "cli/command.h"
#include "cli/element_text.h"
#include "cli/input.h"
#include "cli/text.h"
#include "cli/value_text.h"
#include "ferry/format.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"limit", 'n', Takes::integer, "N", "at most N values of each tensor"},
    {"json", 0, Takes::nothing, "", "values as the json format writes them"},
};

int print_json(Context& context, const Input& input, std::span<const size_t> wanted, bool named, int64_t limit) {
  const Format* json = find_format("json");
  if (json == nullptr || json->write == nullptr) return context.fail(unsupported("the json format is not in this build"));
  TensorMap tensors;
  for (size_t i : wanted) {
    auto tensor = input.reader->read(i);
    if (!tensor.ok()) return context.fail(input.path, tensor.status());
    auto first = first_values(*tensor, limit);
    if (!first.ok()) return context.fail(input.path, first.status());
    // One tensor that was asked for by name is printed as its value alone.
    const Status added = tensors.add(named ? std::string() : input.tensors()[i].name, *std::move(first));
    if (!added.ok()) return context.fail(input.path, added);
  }
  const auto text = to_bytes(tensors, *json);
  if (!text.ok()) return context.fail(input.path, text.status());
  context.out.print(std::string_view(*text), text->ends_with('\n') ? "" : "\n");
  return 0;
}

int run(Context& context, const Arguments& arguments) {
  const auto words = arguments.words();
  const int64_t limit = arguments.integer("limit", std::numeric_limits<int64_t>::max());
  if (limit < 0) return context.usage(concat("--limit is ", limit, ", expected 0 or more"));
  const auto input = open_input(context, arguments, words[0]);
  if (!input) return context.exit_code();
  std::vector<size_t> wanted;
  if (words.size() > 1) {
    const auto found = input->find(context, words[1]);
    if (!found) return context.exit_code();
    wanted.push_back(*found);
  } else {
    for (size_t i = 0; i < input->tensors().size(); ++i) wanted.push_back(i);
  }
  if (arguments.has("json")) return print_json(context, *input, wanted, words.size() > 1, limit);
  for (size_t i : wanted) {
    const TensorInfo& info = input->tensors()[i];
    const auto tensor = input->reader->read(i);
    if (!tensor.ok()) return context.fail(input->path, tensor.status().with_context(concat("tensor ", display_name(info.name))));
    if (const Status status = validate(*tensor, Validation::bounds); !status.ok()) {
      return context.fail(input->path, status.with_context(concat("tensor ", display_name(info.name))));
    }
    if (i != wanted.front()) context.out.print("\n");
    print_title(context.out, context.colour_out, info.name, *tensor);
    print_values(context.out, *tensor, limit);
    if (context.out.failed()) break;  // main() says why
  }
  return 0;
}

}  // namespace

extern const Command cat_command = {
    .group = Group::look,
    .name = "cat",
    .summary = "values; sparse printed as sparse",
    .usage = "PATH [NAME]",
    .options = kOptions,
    .reads = true,
    .writes = false,
    .least = 1,
    .most = 2,
    .details = "Sparse tensors print one line an entry: (row, column)  value, in stored order. The nameless tensor is (root).",
    .example = "ferry cat x.npz x --limit 10",
    .run = run,
};

}  // namespace ferry::cli
