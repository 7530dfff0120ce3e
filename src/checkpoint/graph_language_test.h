// Object graphs for tests: GraphText().node().child("a", 1).node().variable("dense/kernel", "a/…").bytes()
#pragma once

#include <string>
#include <string_view>

#include "ferry/checkpoint.h"
#include "wire/protobuf.h"

namespace ferry::testing_support {

class GraphText {
 public:
  GraphText& node() {
    end_node();
    open_ = true;
    return *this;
  }
  GraphText& child(std::string_view name, int64_t id) {
    std::string message;
    proto::append_varint_field(message, 1, static_cast<uint64_t>(id));
    proto::append_bytes_field(message, 2, name);
    proto::append_bytes_field(node_, 1, message);
    return *this;
  }
  GraphText& attribute(std::string_view name, std::string_view full_name, std::string_view key) {
    std::string message;
    proto::append_bytes_field(message, 1, name);
    proto::append_bytes_field(message, 2, full_name);
    proto::append_bytes_field(message, 3, key);
    proto::append_bytes_field(node_, 2, message);
    return *this;
  }
  // A node of its own: a variable under the key that TensorFlow gives an object at `path`.
  GraphText& variable(std::string_view full_name, std::string_view path) {
    return node().attribute("VARIABLE_VALUE", full_name, concat(path, "/.ATTRIBUTES/VARIABLE_VALUE"));
  }
  GraphText& slot(int64_t original, std::string_view name, int64_t id) {
    std::string message;
    proto::append_varint_field(message, 1, static_cast<uint64_t>(original));
    proto::append_bytes_field(message, 2, name);
    proto::append_varint_field(message, 3, static_cast<uint64_t>(id));
    proto::append_bytes_field(node_, 3, message);
    return *this;
  }
  GraphText& saver(std::string_view name, std::string_view key) {
    std::string message;
    proto::append_bytes_field(message, 1, name);
    proto::append_bytes_field(message, 2, key);
    proto::append_bytes_field(node_, 4, message);
    return *this;
  }
  std::string bytes() {
    end_node();
    return bytes_;
  }
  Result<ObjectGraph> parse(const Limits& limits = {}) {
    FERRY_ASSIGN_OR_RETURN(Buffer buffer, Buffer::copy_of(bytes()));
    return ObjectGraph::parse(std::move(buffer), limits);
  }

 private:
  void end_node() {
    if (open_) proto::append_bytes_field(bytes_, 1, node_);
    node_.clear();
    open_ = false;
  }
  bool open_ = false;
  std::string node_, bytes_;
};

}  // namespace ferry::testing_support
