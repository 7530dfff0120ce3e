// The objects of a checkpoint for people and for scripts.
#pragma once

#include <span>

#include "cli/json_text.h"
#include "cli/printer.h"
#include "ferry/checkpoint.h"

namespace ferry::cli {

// One object a line, indented below what holds it, with what it keeps. An object that was shown before is an arrow to its path; those
// that keep nothing and lead nowhere are counted.
void print_objects(Printer& out, const ObjectGraph& objects, std::span<const TensorInfo> tensors);
// A list of objects: id, path, children {name: id}, attributes, slots.
void print_objects(JsonText& json, const ObjectGraph& objects);

}  // namespace ferry::cli
