// ferry model show: what a model takes and gives, and what it consists of.
#include <algorithm>
#include <map>
#include <set>

#include "cli/command.h"
#include "cli/json_text.h"
#include "cli/model_text.h"
#include "cli/text.h"
#include "ferry/model_variables.h"
#include "ferry/signature.h"

namespace ferry::cli {
namespace {

constexpr Option kOptions[] = {
    {"signature", 's', Takes::text, "KEY", "only this signature"},
    {"tags", 0, Takes::text, "A,B", "only the meta graph with just these tags"},
    {"all", 'a', Takes::nothing, "", "every function, variable, collection and initializer too"},
    {"json", 0, Takes::nothing, "", "one JSON object"},
};

// What is shown of one meta graph.
struct Shown {
  size_t index = 0;
  MetaGraph meta;
  std::vector<Signature> signatures;
  std::vector<CallableFunction> functions;
  ModelVariables variables;
  std::vector<std::string> init, notes;
  std::map<std::string, size_t> tables;  // ops that hold tables, and how many
};

bool is_table(std::string_view op) {
  return (op.find("HashTable") != op.npos || op.starts_with("MutableHash")) && !op.starts_with("Lookup");
}

// Variables that the checkpoint beside the model does not have.
void check_variables(const StoredModel& model, Shown& out) {
  if (out.variables.wanted.empty()) return;
  std::set<std::string_view> keys;
  const auto checkpoint = open_variables(model);
  Status status = checkpoint.status();
  if (checkpoint.ok()) {
    const auto there = checkpoint->variables();
    status = there.status();
    if (there.ok()) {
      for (const Variable& variable : *there) keys.insert(variable.key);
    }
  }
  if (!status.ok()) {
    out.notes.push_back(concat("its ", counted(out.variables.wanted.size(), "variable"), " cannot be restored: ", status.message()));
    return;
  }
  std::vector<std::string_view> lost;
  for (const Wanted& variable : out.variables.wanted) {
    if (!keys.contains(variable.key)) lost.push_back(variable.name.empty() ? variable.path : variable.name);
  }
  if (lost.empty()) return;
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(lost.size(), 5); ++i) text += concat(i == 0 ? "" : ", ", lost[i]);
  out.notes.push_back(concat(counted(lost.size(), "variable"), " in no checkpoint: ", text, lost.size() > 5 ? ", ..." : ""));
}

Result<Shown> look_at(const StoredModel& model, size_t index, const Arguments& arguments) {
  Shown out;
  out.index = index;
  FERRY_ASSIGN_OR_RETURN(out.meta, model.read(index));
  FERRY_ASSIGN_OR_RETURN(out.signatures, read_signatures(model, out.meta));
  const auto key = arguments.get("signature");
  if (out.signatures.empty()) {
    const bool has_functions = out.meta.has_objects();
    if (!has_functions) {
      FERRY_ASSIGN_OR_RETURN(auto proposed, propose_signature(out.meta));
      if (proposed) out.signatures.push_back(*std::move(proposed));
    }
  }
  if (key) {
    std::string there;
    for (const Signature& signature : out.signatures) there += concat(there.empty() ? "" : ", ", signature.key);
    std::erase_if(out.signatures, [&](const Signature& signature) { return signature.key != *key; });
    if (out.signatures.empty())
      return not_found(concat("no signature ", ferry::quoted(*key), there.empty() ? "; the model has none" : "; there are ", there));
  }
  if (out.signatures.empty() || arguments.has("all")) {
    if (auto functions = callable_functions(out.meta, arguments.has("all")); functions.ok()) {
      out.functions = *std::move(functions);
    } else {
      out.notes.push_back(concat("the object graph cannot be read: ", functions.status().message()));
    }
  }
  if (auto variables = model_variables(out.meta); variables.ok()) {
    out.variables = *std::move(variables);
    check_variables(model, out);
  } else {
    out.notes.push_back(std::string(variables.status().message()));
  }
  out.init = init_ops(out.meta);
  for (const Node& node : out.meta.graph().nodes()) {
    if (is_table(node.op)) ++out.tables[std::string(node.op)];
  }
  for (const AssetFile& asset : out.meta.assets()) {
    if (const auto path = model.asset_path(asset.filename); !path.ok()) out.notes.push_back(std::string(path.status().message()));
  }
  return out;
}

// ---- Words

std::string join(std::span<const std::string> names) {
  std::string out;
  for (const std::string& name : names) out += concat(out.empty() ? "" : ", ", printable(name));
  return out;
}

void print_ports(Printer& out, bool colour, std::string_view title, const std::vector<Port>& ports) {
  if (ports.empty()) return;
  out.print("  ", title, "\n");
  Table table({"NAME", "KIND", "DTYPE", "SHAPE", "MADE OF", ""});
  for (const Port& port : ports) {
    std::string parts;
    for (const PortPart& part : port.parts) {
      const std::string& name = part.key.empty() || (port.parts.size() == 1 && part.key == port.name) ? part.tensor : part.key;
      parts += concat(parts.empty() ? "" : ", ", printable(name));
    }
    std::string notes = port.origin == PortOrigin::proposed && port.kind != TensorKind::dense ? "a proposal" : "";
    if (!port.argument.empty() && port.argument != port.name) notes += concat(notes.empty() ? "" : ", ", "is ", printable(port.argument));
    if (port.has_default()) notes += concat(notes.empty() ? "" : ", ", "has a default");
    table.add({display_name(port.name), port_kind_name(port.kind), port_dtype_name(port), port.shape.to_string(), parts, notes});
  }
  table.print(out, colour, "    ");
}

void print_signature(Printer& out, bool colour, const Signature& signature) {
  out.print(signature.proposed ? "proposed signature" : concat("signature ", styled(colour, Style::bold, printable(signature.key))));
  if (!signature.proposed && !signature.method.empty()) out.print(" (", printable(signature.short_method()), ")");
  if (signature.proposed) out.print(" (the graph has none: found by names, and by what its ops consume)");
  out.print("\n");
  print_ports(out, colour, "inputs", signature.inputs);
  print_ports(out, colour, "outputs", signature.outputs);
  for (const std::string& note : signature.notes) out.print("  note: ", printable(note), "\n");
}

std::string trace_text(const CallableFunction::Trace& trace) {
  std::string out;
  for (const Port& port : trace.inputs) {
    const std::string kind = port.kind == TensorKind::dense ? "" : concat(port_kind_name(port.kind), " ");
    out += concat(out.empty() ? "" : ", ", printable(port.name), ": ", kind, port_dtype_name(port), " ", port.shape.to_string());
  }
  for (const std::string& value : trace.values) out += concat(out.empty() ? "" : ", ", printable(value));
  out = concat("(", out, ")");
  std::string results;
  for (const Port& port : trace.outputs) {
    const std::string kind = port.kind == TensorKind::dense ? "" : concat(port_kind_name(port.kind), " ");
    const bool named = port.name != "output";
    results += concat(results.empty() ? "" : ", ", named ? concat(printable(port.name), ": ") : std::string(), kind, port_dtype_name(port),
                      " ", port.shape.to_string());
  }
  return results.empty() ? out : concat(out, " -> ", results);
}

void print_model(Context& context, const StoredModel& model, const std::vector<Shown>& graphs, bool all) {
  Printer& out = context.out;
  const bool colour = context.colour_out;
  out.print(printable(model.path()), ": ", model_kind_name(model.kind()), model.is_text() ? " (text)" : "");
  const auto fingerprint = model.fingerprint();
  if (!fingerprint.ok()) {
    context.warn(model.path(), fingerprint.status().message());
  } else if (*fingerprint) {
    out.print(", fingerprint ", (*fingerprint)->saved_model_checksum);
  }
  out.print("\n");
  for (const Shown& shown : graphs) {
    const MetaGraph& meta = shown.meta;
    if (model.kind() != ModelKind::graph) {
      std::string tags;
      for (const std::string_view tag : meta.tags()) tags += concat(tags.empty() ? "" : ", ", printable(tag));
      out.print(tags.empty() ? "no tags" : concat("tags ", tags));
      if (!meta.tensorflow_version().empty()) out.print(", written by TensorFlow ", printable(meta.tensorflow_version()));
      out.print("; ");
    }
    out.print(counted(meta.graph().nodes().size(), "node"), ", ", counted(meta.graph().functions().size(), "function"));
    out.print(", ", counted(shown.variables.wanted.size(), "variable"));
    if (!shown.variables.wanted.empty()) out.print(" (", human_bytes(shown.variables.num_bytes()), ")");
    out.print("\n");
    if (!meta.assets().empty()) {
      std::vector<std::string> names;
      for (const AssetFile& asset : meta.assets()) names.emplace_back(asset.filename);
      out.print("  assets: ", join(names), "\n");
    }
    if (const auto extra = model.extra_assets(); !extra.empty()) out.print("  assets.extra: ", join(extra), "\n");
    if (!shown.tables.empty()) {
      std::string text;
      for (const auto& [op, count] : shown.tables) text += concat(text.empty() ? "" : ", ", count, " ", printable(op));
      out.print("  tables: ", text, "\n");
    }
    if (!shown.init.empty()) out.print("  initialized by ", join(shown.init), "\n");
    if (model.has_keras_metadata()) out.print("  has Keras metadata\n");
    for (const std::string& note : shown.notes) out.print("  ", styled(colour, Style::yellow, "note:"), " ", printable(note), "\n");
    for (const Signature& signature : shown.signatures) print_signature(out, colour, signature);
    if (shown.signatures.empty() && shown.functions.empty()) out.print("no signature, and no function that could be called\n");
    if (!shown.functions.empty()) {
      out.print(shown.signatures.empty() ? "no signature; functions that can be called:\n" : "functions\n");
      for (const CallableFunction& function : shown.functions) {
        for (const auto& trace : function.traces)
          out.print("  ", styled(colour, Style::bold, printable(function.path)), trace_text(trace), "\n");
      }
    }
    if (all) {
      if (!shown.variables.wanted.empty()) {
        out.print("variables\n");
        Table table({"NAME", "DTYPE", "SHAPE", "ROLE", "KEY"});
        for (const Wanted& variable : shown.variables.wanted) {
          table.add({display_name(variable.name), variable.dtype ? std::string(dtype_name(*variable.dtype)) : "?",
                     variable.shape ? shape_text(*variable.shape) : "?", std::string(role_name(variable.role)), printable(variable.key)});
        }
        table.print(out, colour, "  ");
      }
      const auto names = meta.collection_names();
      if (!names.empty()) {
        std::string text;
        for (const std::string_view name : names) text += concat(text.empty() ? "" : ", ", printable(name));
        out.print("collections: ", text, "\n");
      }
    }
  }
}

// ---- JSON

void print_shape(JsonText& json, const PartialShape& shape) {
  if (!shape.has_rank()) {
    json.null();
    return;
  }
  json.begin_list();
  for (const int64_t dim : shape.dims()) json.integer(dim);
  json.end_list();
}

void print_ports(JsonText& json, std::string_view key, const std::vector<Port>& ports) {
  json.key(key).begin_list();
  for (const Port& port : ports) {
    json.begin_object().member("name", std::string_view(port.name)).member("kind", kind_name(port.kind)).key("dtype");
    port.dtype ? json.text(dtype_name(*port.dtype)) : json.null();
    json.key("shape");
    print_shape(json, port.shape);
    json.member("origin", port_origin_name(port.origin));
    if (!port.argument.empty()) json.member("argument", std::string_view(port.argument));
    json.member("has_default", port.has_default());
    json.key("parts").begin_list();
    for (const PortPart& part : port.parts) {
      json.begin_object().key("key");
      part.key.empty() ? json.null() : json.text(part.key);
      json.member("tensor", std::string_view(part.tensor))
          .member("role", part_role_name(part.role))
          .member("level", part.level)
          .key("dtype");
      part.dtype ? json.text(dtype_name(*part.dtype)) : json.null();
      json.key("shape");
      print_shape(json, part.shape);
      json.end_object();
    }
    json.end_list().end_object();
  }
  json.end_list();
}

void print_texts(JsonText& json, std::string_view key, std::span<const std::string> texts) {
  json.key(key).begin_list();
  for (const std::string& text : texts) json.text(text);
  json.end_list();
}

void print_json(Context& context, const StoredModel& model, const std::vector<Shown>& graphs) {
  JsonText json(context.out);
  json.begin_object().member("schema", 1).member("path", std::string_view(model.path())).member("kind", model_kind_name(model.kind()));
  json.member("text", model.is_text());
  json.key("fingerprint");
  const auto fingerprint = model.fingerprint();
  if (fingerprint.ok() && *fingerprint) {
    const Fingerprint& f = **fingerprint;
    json.begin_object().member("saved_model_checksum", f.saved_model_checksum).member("graph_def_program_hash", f.graph_def_program_hash);
    json.member("signature_def_hash", f.signature_def_hash).member("saved_object_graph_hash", f.saved_object_graph_hash);
    json.member("checkpoint_hash", f.checkpoint_hash).member("uuid", std::string_view(f.uuid)).end_object();
  } else {
    json.null();
  }
  json.member("keras_metadata", model.has_keras_metadata());
  json.key("meta_graphs").begin_list();
  for (const Shown& shown : graphs) {
    const MetaGraph& meta = shown.meta;
    json.begin_object().key("tags").begin_list();
    for (const std::string_view tag : meta.tags()) json.text(tag);
    json.end_list().member("tensorflow_version", meta.tensorflow_version()).member("producer", meta.graph().versions().producer);
    json.member("nodes", meta.graph().nodes().size()).member("functions", meta.graph().functions().size());
    json.key("assets").begin_list();
    for (const AssetFile& asset : meta.assets()) json.text(asset.filename);
    json.end_list();
    print_texts(json, "init_ops", shown.init);
    print_texts(json, "notes", shown.notes);
    json.key("collections").begin_list();
    for (const std::string_view name : meta.collection_names()) json.text(name);
    json.end_list();
    json.key("signatures").begin_list();
    for (const Signature& signature : shown.signatures) {
      json.begin_object().member("key", std::string_view(signature.key)).member("method", std::string_view(signature.method));
      json.member("proposed", signature.proposed);
      print_ports(json, "inputs", signature.inputs);
      print_ports(json, "outputs", signature.outputs);
      print_texts(json, "notes", signature.notes);
      json.end_object();
    }
    json.end_list().key("callables").begin_list();
    for (const CallableFunction& function : shown.functions) {
      json.begin_object().member("path", std::string_view(function.path)).key("traces").begin_list();
      for (const auto& trace : function.traces) {
        json.begin_object().member("function", std::string_view(trace.function));
        print_ports(json, "inputs", trace.inputs);
        print_ports(json, "outputs", trace.outputs);
        print_texts(json, "values", trace.values);
        json.end_object();
      }
      json.end_list().end_object();
    }
    json.end_list().member("variable_bytes", shown.variables.num_bytes()).key("variables").begin_list();
    for (const Wanted& variable : shown.variables.wanted) {
      json.begin_object().member("name", std::string_view(variable.name)).member("path", std::string_view(variable.path));
      json.member("key", std::string_view(variable.key)).member("role", role_name(variable.role)).key("dtype");
      variable.dtype ? json.text(dtype_name(*variable.dtype)) : json.null();
      json.key("shape");
      print_shape(json, variable.shape ? PartialShape(*variable.shape) : PartialShape());
      json.end_object();
    }
    json.end_list().end_object();
  }
  json.end_list().end_object();
  context.out.print("\n");
}

int run(Context& context, const Arguments& arguments) {
  const std::string path(arguments.words()[0]);
  auto model = StoredModel::open(path, context.limits);
  if (!model.ok()) return context.fail(path, model.status());
  const auto chosen = chosen_graphs(*model, arguments);
  if (!chosen.ok()) return context.fail(path, chosen.status());
  std::vector<Shown> graphs;
  for (const size_t i : *chosen) {
    auto shown = look_at(*model, i, arguments);
    if (!shown.ok()) {
      // With several graphs a signature need only be in one.
      if (shown.status().code() == StatusCode::not_found && chosen->size() > 1 && i + 1 != chosen->back() + 1) continue;
      if (!graphs.empty() && shown.status().code() == StatusCode::not_found) continue;
      return context.fail(path, shown.status());
    }
    graphs.push_back(*std::move(shown));
  }
  arguments.has("json") ? print_json(context, *model, graphs) : print_model(context, *model, graphs, arguments.has("all"));
  return 0;
}

}  // namespace

extern const Command model_show_command = {
    .group = Group::models,
    .name = "model show",
    .summary = "signatures, variables and assets of a SavedModel, .meta or graph",
    .usage = "MODEL",
    .options = kOptions,
    .reads = false,
    .writes = false,
    .least = 1,
    .most = 1,
    .details =
        "Signatures are shown as logical tensors: inputs that were flattened (x, x_1, x_2) are put together again as the\n"
        "sparse and ragged tensors that the function behind takes; MADE OF names what is fed. A graph without signatures\n"
        "gets a proposed one, sparse placeholders included. MODEL is a SavedModel folder, a .meta file, a checkpoint's prefix\n"
        "or a frozen graph (.pb, .pbtxt).",
    .example = "ferry model show saved_model",
    .run = run,
};

}  // namespace ferry::cli
