// ferry verify: checksums and invariants; where a file is broken, what and at which byte.
#include <algorithm>

#include "cli/command.h"
#include "cli/input.h"
#include "cli/json_text.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "ferry/checkpoint.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"canonical", 0, Takes::nothing, "", "unsorted entries and repeated coordinates are broken too"},
    {"json", 0, Takes::nothing, "", "one JSON object for all files"},
};

struct Problem {
  Status status;
  std::string tensor;
};

struct Findings {
  std::string_view path;
  std::string_view format;
  size_t tensors = 0;
  std::vector<Problem> broken, warnings;
  int code = 0;
};

// The file is there and says nothing good of itself: a negative answer. What the machine or this build cannot do is not.
bool is_negative(const Status& status) { return status.code() == StatusCode::data_loss || status.code() == StatusCode::invalid_argument; }

// Whether the objects that a checkpoint keeps fit its tensors. Of what is broken otherwise the reader has told.
template <class Broken, class Odd>
void check_object_graph(const Input& input, const Limits& limits, Broken&& broken, Odd&& odd) {
  if (std::ranges::find(input.tensors(), ObjectGraph::kKey, &TensorInfo::name) == input.tensors().end()) return;
  ReadOptions options;
  options.limits = limits;
  options.parts.enabled = false;  // objects name arrays
  const auto arrays = open_tensors(input.place, input.format, options);
  if (!arrays.ok()) return;
  const auto graph = read_object_graph(**arrays, limits);
  if (!graph.ok()) {
    if (graph.status().message().starts_with("object graph")) broken(graph.status(), ObjectGraph::kKey);
    return;
  }
  if (!graph->has_value()) return;
  for (const ObjectFinding& finding : check_objects(**graph, **arrays)) {
    finding.broken ? broken(data_loss(finding.message), {}) : odd(data_loss(finding.message));
  }
}

void check(Context& context, const Arguments& arguments, Findings& found) {
  const bool canonical = arguments.has("canonical");
  const auto note = [&](Status status, std::string_view tensor = {}) {
    found.code = std::max(found.code, is_negative(status) ? kNegative : exit_code(status.code()));
    found.broken.push_back({std::move(status), std::string(tensor)});
  };
  // Opening prints nothing here: a broken header is a finding like any other.
  Printer nowhere;
  Context silent(nowhere, nowhere);
  silent.threads = context.threads;
  silent.limits = context.limits;
  const auto input = open_input(silent, arguments, found.path);
  if (!input) {
    if (silent.exit_code() == kUsage) {
      found.code = kUsage;
      (void)open_input(context, arguments, found.path);
    } else {
      note(silent.failure());
    }
    return;
  }
  found.format = input->format->id;
  found.tensors = input->tensors().size();
  Progress progress(context, "verifying");
  if (Status status = input->reader->verify(); !status.ok()) note(std::move(status));
  check_object_graph(*input, silent.limits, note, [&](Status status) { found.warnings.push_back({std::move(status), {}}); });
  for (size_t i = 0; i < input->tensors().size(); ++i) {
    const TensorInfo& info = input->tensors()[i];
    // It has been read, and of numbers in a box there is no more to ask.
    if (found.broken.empty() && info.kind == TensorKind::dense && info.dtype != DType::string) continue;
    const std::string where = concat("tensor ", display_name(info.name));
    const auto tensor = input->reader->read(i);
    if (!tensor.ok()) {
      // Where the whole-file check has said it already, once is enough.
      if (found.broken.empty()) note(tensor.status().with_context(where), info.name);
      continue;
    }
    progress.advance(num_bytes_of(*tensor));
    if (Status status = validate(*tensor, Validation::bounds); !status.ok()) {
      if (found.broken.empty()) note(status.with_context(where), info.name);
      continue;
    }
    if (Status status = validate(*tensor, Validation::canonical); !status.ok()) {
      status = status.with_context(where);
      if (canonical) {
        note(std::move(status), info.name);
      } else {
        found.warnings.push_back({std::move(status), info.name});
      }
    }
  }
}

void print_problem(JsonText& json, const Problem& problem) {
  json.begin_object().key("tensor");
  problem.tensor.empty() ? json.null() : json.text(problem.tensor);
  json.key("offset");
  problem.status.offset() ? json.unsigned_integer(*problem.status.offset()) : json.null();
  json.member("code", status_name(problem.status.code())).member("message", problem.status.message()).end_object();
}

void print_json(JsonText& json, const Findings& found) {
  json.begin_object().member("path", found.path).member("ok", found.code == 0).key("format");
  found.format.empty() ? json.null() : json.text(found.format);
  json.member("tensors", found.tensors).key("problems").begin_list();
  for (const Problem& problem : found.broken) print_problem(json, problem);
  json.end_list().key("warnings").begin_list();
  for (const Problem& problem : found.warnings) print_problem(json, problem);
  json.end_list().end_object();
}

void print_words(Context& context, const Findings& found) {
  for (const Problem& problem : found.warnings) context.warn(found.path, problem.status.message());
  for (const Problem& problem : found.broken) context.fail(found.path, problem.status);
  if (found.code == 0) {
    context.out.print(printable(found.path), ": ok, ", found.format, ", ", counted(found.tensors, "tensor"), "\n");
  }
}

int run(Context& context, const Arguments& arguments) {
  const bool as_json = arguments.has("json");
  JsonText json(context.out);
  if (as_json) json.begin_object().member("schema", 1).key("files").begin_list();
  int code = 0;
  for (std::string_view path : arguments.words()) {
    Findings found;
    found.path = path;
    check(context, arguments, found);
    if (found.code == kUsage) return kUsage;
    as_json ? print_json(json, found) : print_words(context, found);
    code = std::max(code, found.code);  // a file that could not be read outweighs a broken one
  }
  if (as_json) {
    json.end_list().end_object();
    context.out.print("\n");
  }
  return code;
}

}  // namespace

extern const Command verify_command = {
    .group = Group::look,
    .name = "verify",
    .summary = "checksums and invariants; exit 1 with FILE:OFFSET where broken",
    .usage = "PATH...",
    .options = kOptions,
    .reads = true,
    .writes = false,
    .least = 1,
    .most = kAnyNumber,
    .details =
        "Reads every byte: checksums, structure, indices in range, row splits that rise. Entries out of order or given\n"
        "twice are warnings unless --canonical. Of a checkpoint with objects (tf.train.Checkpoint, Keras, SavedModel) also that the\n"
        "objects are all there and what they name is in the checkpoint; tensors that no object names are a warning.",
    .example = "ferry verify x.npz",
    .run = run,
};

}  // namespace ferry::cli
