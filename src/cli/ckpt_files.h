// What the commands that write checkpoints do alike: tensors as the file keeps them, and the object graph beside them.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "checkpoint/combined_reader.h"
#include "checkpoint/object_edit.h"
#include "checkpoint/transformed_reader.h"
#include "cli/input.h"
#include "ferry/checkpoint.h"

namespace ferry::cli {

struct CkptInput {
  Input input;                       // plain arrays
  std::vector<size_t> tensors;       // all but the object graph
  std::optional<ObjectGraph> graph;  // unless --no-objects
};

// Prints what is wrong and gives nullopt.
std::optional<CkptInput> open_ckpt(Context& context, const Arguments& arguments, std::string_view path);
// The object graph of tensors that were changed; nothing after an error line.
std::optional<std::string> moved_graph(Context& context, const CkptInput& from, const TransformedReader& tensors);
// `graph`: null where there is none.
int write_ckpt(Context& context, const Arguments& arguments, PickedReader tensors, const std::string* graph, std::string_view in_path,
               std::string_view out_path);
// All of a reader.
PickedReader picked(const TensorReader& tensors);
// `tensors` of --rename, --rules and the like: rules applied to all but the object graph. False after an error line.
bool apply_rules(Context& context, const CkptInput& from, TransformedReader& tensors, const TensorRules& rules);

inline constexpr Option kNoObjects = {"no-objects", 0, Takes::nothing, "",
                                      "leave out the object graph: tensors are found by their keys alone"};
inline constexpr Option kCheckOutput = {"check", 0, Takes::nothing, "",
                                        "read OUT again, and give it its name only where it holds the same bits"};

}  // namespace ferry::cli
