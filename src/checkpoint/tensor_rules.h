// Rules that change a set of named tensors: a file of lines, each a verb. docs/checkpoints.md has the language.
//
//   drop role:slot                                     transpose */kernel to 1,0
//   rename ^model/(.*)=\1                              split */qkv axis=-1 into */q */k */v
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/rename.h"
#include "ferry/dtype.h"
#include "ferry/role.h"
#include "ferry/status.h"

namespace ferry {

enum class RuleVerb : uint8_t { select, drop, rename, transpose, reshape, cast, split, concat, stack };
std::string_view verb_name(RuleVerb verb);

// Which tensors a rule is for: names, or what they are to training.
struct RulePattern {
  enum class By : uint8_t { name, role, optimizer } by = By::name;
  std::string glob;
  Role role = Role::weight;
  static Result<RulePattern> parse(std::string_view text);  // "a/*", "role:slot"
};

struct TensorRule {
  RuleVerb verb;
  std::vector<RulePattern> patterns;
  RenameRules rename;            // of rename
  std::vector<int64_t> numbers;  // axes of transpose (empty: reversed), axes of reshape (-1: what is left)
  DType dtype = DType::float32;  // of cast
  int64_t axis = 0;              // of split, concat, stack; below zero: from the end
  // Of split with how many places each takes (-1: not said), of concat and stack one.
  std::vector<std::pair<std::string, int64_t>> into;
  bool may_match_none = false;  // drop, rename, and verbs with a '?' behind them
  std::string where;            // "rules.txt:3"
};

class TensorRules {
 public:
  // The file's lines; errors begin "FILE:LINE: ".
  static Result<TensorRules> read(const std::string& path);
  static Result<TensorRules> parse(std::string_view text, std::string_view name = "rules");

  const std::vector<TensorRule>& rules() const { return rules_; }
  bool needs_roles() const;
  void append(TensorRules more);
  void append(TensorRule rule) { rules_.push_back(std::move(rule)); }

 private:
  std::vector<TensorRule> rules_;
};

}  // namespace ferry
