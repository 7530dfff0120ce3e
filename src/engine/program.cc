#include "engine/program.h"

#include <algorithm>

#include "engine/builder.h"

namespace ferry::engine {
namespace {

constexpr size_t kMostNamed = 5;  // nodes named in one problem

}  // namespace

Status Problems::status() const {
  if (empty()) return {};
  std::string out;
  if (!unknown_ops.empty()) {
    out += concat("this engine has no kernel for ", unknown_ops.size(), unknown_ops.size() == 1 ? " op: " : " ops: ");
    bool first = true;
    for (const auto& [op, nodes] : unknown_ops) {
      out += concat(first ? "" : ", ", op, " (");
      first = false;
      for (size_t i = 0; i < std::min(nodes.size(), kMostNamed); ++i) out += concat(i == 0 ? "" : ", ", nodes[i]);
      out += nodes.size() > kMostNamed ? concat(" and ", nodes.size() - kMostNamed, " more)") : ")";
    }
  }
  for (const std::string& other : others) out += concat(out.empty() ? "" : "; ", other);
  return others.empty() ? unsupported(std::move(out)) : invalid_argument(std::move(out));
}

const Function* Program::body(std::string_view name, Problems& problems) {
  if (const auto it = bodies_.find(name); it != bodies_.end()) return it->second.get();
  if (!graph_.functions().find(name)) return nullptr;
  auto read = graph_.functions().read(name);
  std::unique_ptr<Function> out;
  if (read.ok()) {
    out = std::make_unique<Function>(*std::move(read));
  } else {
    problems.others.push_back(concat("function ", quoted(name), ": ", read.status().message()));
  }
  return bodies_.emplace(name, std::move(out)).first->second.get();
}

const FunctionSchedule* Program::function(const FunctionCall& call, Problems& problems) {
  std::string key(call.name);
  for (const Attr& attr : call.attrs) {
    key += concat("\n", attr.name, "=");
    const auto bytes = attr.value.message();
    key.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  if (const auto it = schedules_.find(key); it != schedules_.end()) return it->second.get();
  const Function* const function = body(call.name, problems);
  if (function == nullptr) return nullptr;
  // In its place before it is built: it may call itself.
  FunctionSchedule* const out = schedules_.emplace(key, std::make_unique<FunctionSchedule>()).first->second.get();
  out->name = call.name;
  Builder builder(*this, out->schedule, problems);
  std::vector<ItemOutput> args, results;
  std::vector<int32_t> after;
  size_t count = 0;
  for (const ArgDef& arg : function->signature().inputs) {
    const std::string_view counted = !arg.number_attr.empty() ? arg.number_attr : arg.type_list_attr;
    const auto it = std::ranges::find(call.attrs, counted, &Attr::name);
    if (counted.empty() || it == call.attrs.end()) {
      ++count;
    } else if (!arg.type_list_attr.empty()) {
      count += it->value.list_size();
    } else {
      const auto n = it->value.integer();
      count += n.ok() ? static_cast<size_t>(std::clamp<int64_t>(*n, 0, 1 << 20)) : 0;
    }
  }
  for (size_t i = 0; i < count; ++i) args.push_back(builder.add_feed());
  const Status status = builder.lower_function(*function, call.attrs, std::move(args), {}, 1, concat(call.name, "/"), results, after);
  if (!status.ok()) problems.others.push_back(concat("function ", quoted(call.name), ": ", status.message()));
  for (ItemOutput port : results) builder.fetch(port);
  builder.targets(after);
  if (problems.empty()) {
    if (const Status emitted = builder.emit(); !emitted.ok()) problems.others.emplace_back(emitted.message());
    out->ready = true;
  }
  return out;
}

Result<std::unique_ptr<Schedule>> Program::build(std::span<const std::string> feeds, std::span<const std::string> fetches,
                                                 std::span<const std::string> targets) {
  auto schedule = std::make_unique<Schedule>();
  Problems problems;
  Builder builder(*this, *schedule, problems);
  Scope scope;
  scope.nodes = &graph_.nodes();
  const auto find = [&](std::string_view text, std::string_view what) -> Result<std::pair<size_t, int32_t>> {
    FERRY_ASSIGN_OR_RETURN(const InputRef ref, parse_input(text));
    const auto found = scope.nodes->find(ref.node);
    if (!found) return not_found(concat("the graph has no node ", quoted(ref.node), " to ", what));
    return std::pair(*found, ref.index);
  };
  for (const std::string& feed : feeds) {
    FERRY_ASSIGN_OR_RETURN(const auto at, find(feed, "feed"));
    const ItemOutput port = builder.add_feed();
    if (!scope.fed.emplace(at, port).second) return invalid_argument(concat("the tensor ", quoted(feed), " is fed twice"));
  }
  std::vector<size_t> wanted;
  for (const std::string& target : targets) {
    FERRY_ASSIGN_OR_RETURN(const auto at, find(target, "run"));
    wanted.push_back(at.first);
  }
  for (const std::string& fetch : fetches) {
    FERRY_ASSIGN_OR_RETURN(const auto at, find(fetch, "fetch"));
    if (!scope.fed.contains(at)) wanted.push_back(at.first);
  }
  std::optional<Frames> frames;
  if (Frames::has_loops(*scope.nodes)) {
    auto found = Frames::find(*scope.nodes, wanted);
    if (!found.ok()) return found.status();
    frames = *std::move(found);
    scope.frames = &*frames;
  }
  FERRY_RETURN_IF_ERROR(builder.lower(scope, wanted));
  for (const std::string& fetch : fetches) {
    auto port = builder.port_of(scope, fetch, SIZE_MAX);
    if (port.ok()) {
      builder.fetch(*port);
    } else if (problems.empty()) {
      return port.status();
    }
  }
  for (size_t i = 0; i < targets.size(); ++i) builder.target(scope, wanted[i]);
  FERRY_RETURN_IF_ERROR(problems.status());
  FERRY_RETURN_IF_ERROR(builder.emit());
  return schedule;
}

}  // namespace ferry::engine
