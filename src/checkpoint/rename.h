// Rename rules: 'REGEX=REPLACEMENT', \1 for groups. POSIX extended expressions.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/status.h"

namespace ferry {

// Every rule is applied in turn, to every match in the name.
class RenameRules {
 public:
  RenameRules();
  RenameRules(RenameRules&&) noexcept;
  ~RenameRules();
  // "layer(\d+)=block\1": the first '=' that is not written \= parts the two sides. "@FILE": a rule on each line, # comments.
  Status add(std::string_view rule);
  // `used`, where it is given: the positions of the rules that changed the name.
  std::string apply(std::string_view name, std::vector<size_t>* used = nullptr) const;
  size_t size() const { return rules_.size(); }
  std::string_view text(size_t i) const;  // as it was added, or stood in its file

 private:
  struct Rule;
  std::vector<std::unique_ptr<Rule>> rules_;
};

// Shell pattern with * and ?.
bool matches_pattern(std::string_view pattern, std::string_view name);

}  // namespace ferry
