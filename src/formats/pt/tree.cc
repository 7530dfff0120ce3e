#include "formats/pt/tree.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "formats/pt/plain.h"

namespace ferry::pt {
namespace {

using pickle::Id;
using pickle::Kind;

constexpr uint64_t kFreeSteps = 1 << 16, kStepsPerByte = 16;

enum class Style : uint8_t { leaf, sequence, mapping, fields };

struct Branches {
  Style style = Style::leaf;
  std::vector<std::pair<Id, Id>> pairs;  // key (unused in a sequence), value
};

class Walker {
 public:
  Walker(const pickle::Document& document, const Interpreter& interpreter, const Limits& limits, uint64_t pickle_bytes, Tree& tree)
      : document_(document), interpreter_(interpreter), limits_(limits), tree_(tree), facts_(document.size()) {
    most_steps_ = std::max(kFreeSteps, kStepsPerByte * pickle_bytes);
    for (const Entry& entry : tree.entries) names_.insert(entry.name);
  }

  Status run(std::string_view prefix) {
    FERRY_RETURN_IF_ERROR(classify(document_.root(), 0));
    return walk(document_.root(), std::string(prefix));
  }

 private:
  struct Facts {
    enum State : uint8_t { unseen, open, done } state = unseen;
    bool plain = false;    // scalars, and lists of them: one text
    bool on_path = false;  // being listed
    uint64_t steps = 0;    // to spell a plain one, with all that it shares
  };

  Result<DescriptionPtr> describe(Id id) {
    const Kind kind = document_.kind(id);
    if (kind != Kind::object && kind != Kind::persistent) return DescriptionPtr();
    if (const auto found = described_.find(id); found != described_.end()) return found->second;
    FERRY_ASSIGN_OR_RETURN(DescriptionPtr out, interpreter_.describe(id));
    described_.emplace(id, out);
    return out;
  }

  void add_pairs(Branches& out, std::span<const Id> pairs) const {
    for (size_t i = 0; i + 1 < pairs.size(); i += 2) out.pairs.emplace_back(pairs[i], pairs[i + 1]);
  }
  void add_items(Branches& out, std::span<const Id> items) const {
    for (const Id item : items) out.pairs.emplace_back(item, item);
  }
  // A state is a dict of fields, or that and one of slots.
  void add_state(Branches& out, Id state) const {
    if (document_.kind(state) == Kind::dict) add_pairs(out, document_.items(state));
    if (document_.kind(state) != Kind::tuple) return;
    for (const Id part : document_.items(state)) {
      if (document_.kind(part) == Kind::dict) add_pairs(out, document_.items(part));
    }
  }

  Branches branches(Id id) const {
    Branches out;
    switch (document_.kind(id)) {
      case Kind::list:
      case Kind::tuple:
      case Kind::set:
        out.style = Style::sequence;
        add_items(out, document_.items(id));
        return out;
      case Kind::dict:
        out.style = Style::mapping;
        add_pairs(out, document_.items(id));
        return out;
      case Kind::object: break;
      default: return out;
    }
    const auto what = interpreter_.called(id);
    const pickle::Object& object = document_.object(id);
    const auto args = document_.items(object.args);
    if (what == What::dict) {
      out.style = Style::mapping;
      for (const Id arg : args) {
        if (document_.kind(arg) == Kind::dict) add_pairs(out, document_.items(arg));
        if (document_.kind(arg) != Kind::list) continue;
        for (const Id pair : document_.items(arg)) {  // Python 2's OrderedDict: [[key, value], …]
          const bool is_pair = document_.kind(pair) == Kind::list || document_.kind(pair) == Kind::tuple;
          if (is_pair && document_.items(pair).size() == 2) out.pairs.emplace_back(document_.items(pair)[0], document_.items(pair)[1]);
        }
      }
      add_pairs(out, object.pairs);  // the state of an OrderedDict is its _metadata: versions of modules
    } else if (what == What::list || what == What::tuple || what == What::set || what == What::script_list) {
      out.style = Style::sequence;
      if (!args.empty() && document_.kind(args[0]) != Kind::object) {
        const Kind kind = document_.kind(args[0]);
        if (kind == Kind::list || kind == Kind::tuple || kind == Kind::set) add_items(out, document_.items(args[0]));
      }
      add_items(out, object.appended);
    } else if (what == What::fields || what == What::foreign || what == What::construct || what == What::new_object) {
      out.style = Style::fields;
      if (object.state) add_state(out, *object.state);
      if (what == What::foreign) add_items(out, args);
      add_pairs(out, object.pairs);
      add_items(out, object.appended);
    }
    return out;
  }

  // Which values are plain, and how many texts they come to. Afterwards every value that is listed has been looked at.
  Status classify(Id id, uint64_t depth) {
    Facts& facts = facts_[id];
    if (facts.state != Facts::unseen) return {};
    if (depth > limits_.max_nesting) {
      return limit_exceeded(concat("containers are nested deeper than ", limits_.max_nesting, " (max_nesting)"));
    }
    FERRY_ASSIGN_OR_RETURN(const DescriptionPtr tensor, describe(id));
    const Branches inner = tensor != nullptr ? Branches{} : branches(id);
    facts.state = Facts::open;
    uint64_t steps = 1;
    bool plain = tensor == nullptr && (inner.style == Style::leaf || inner.style == Style::sequence);
    for (const auto& [key, value] : inner.pairs) {
      FERRY_RETURN_IF_ERROR(classify(value, depth + 1));
      plain = plain && facts_[value].plain;  // not yet set where the value is one of those that hold it
      steps = std::min(most_steps_ + 1, steps + facts_[value].steps);
    }
    facts.state = Facts::done;
    facts.steps = steps;
    facts.plain = plain;
    return {};
  }

  Status step(uint64_t count) {
    steps_ = std::min(most_steps_ + 1, steps_ + count);
    if (steps_ <= most_steps_) return {};
    return limit_exceeded(concat("the pickle shares values so often that listing them takes more than ", most_steps_,
                                 " steps, many times its size; it is not what torch.save makes of a model"));
  }

  Status spend(uint64_t bytes) {
    text_bytes_ += bytes;
    if (text_bytes_ > limits_.free_expanded_bytes) {
      return limit_exceeded(concat("names and texts take more than ", limits_.free_expanded_bytes, " bytes (free_expanded_bytes)"));
    }
    return {};
  }

  // Two things can come to one name ("a/b", and b in a): the later one is told apart by a number.
  Result<std::string> fresh(std::string name) {
    if (name.size() > limits_.max_name_bytes) {
      return limit_exceeded(concat("a name of ", name.size(), " bytes exceeds the limit of ", limits_.max_name_bytes, " (max_name_bytes)"));
    }
    FERRY_RETURN_IF_ERROR(spend(name.size()));
    if (names_.insert(name).second) return name;
    uint64_t& count = repeats_[name];
    for (count = std::max<uint64_t>(count, 1) + 1;; ++count) {
      std::string numbered = concat(name, "#", count);
      if (names_.insert(numbered).second) return numbered;
    }
  }

  Status add_tensor(std::string name, const DescriptionPtr& tensor) {
    if (tree_.entries.size() >= limits_.max_tensors) {
      return limit_exceeded(concat("more tensors than the limit of ", limits_.max_tensors, " (max_tensors)"));
    }
    FERRY_ASSIGN_OR_RETURN(std::string own, fresh(std::move(name)));
    tree_.entries.push_back({own, tensor});
    for (const auto& [word, companion] : tensor->companions) {
      FERRY_RETURN_IF_ERROR(add_tensor(own.empty() ? std::string(word) : concat(own, "/", word), companion));
    }
    return {};
  }

  Status add_text(std::string name, std::string text) {
    FERRY_RETURN_IF_ERROR(spend(text.size()));
    FERRY_ASSIGN_OR_RETURN(name, fresh(name.empty() ? "value" : std::move(name)));
    tree_.metadata.append(std::move(name), std::move(text));
    return {};
  }

  Status walk(Id id, std::string name) {
    FERRY_ASSIGN_OR_RETURN(const DescriptionPtr tensor, describe(id));
    FERRY_RETURN_IF_ERROR(step(1));
    if (tensor != nullptr) return add_tensor(std::move(name), tensor);
    const Branches inner = branches(id);
    if (facts_[id].plain && (inner.style == Style::leaf || !inner.pairs.empty())) {
      FERRY_RETURN_IF_ERROR(step(facts_[id].steps));
      std::string text;
      FERRY_RETURN_IF_ERROR(append_plain(document_, interpreter_, id, limits_.free_expanded_bytes, text));
      return add_text(std::move(name), std::move(text));
    }
    FERRY_RETURN_IF_ERROR(step(1));
    if (facts_[id].on_path) return add_text(std::move(name), "...");  // as Python prints what holds itself
    facts_[id].on_path = true;
    const std::string_view joint = inner.style == Style::fields ? "." : "/";
    const std::string before = name.empty() ? "" : concat(name, joint);
    size_t position = 0;
    for (const auto& [key, value] : inner.pairs) {
      std::string own;
      if (inner.style == Style::sequence || (inner.style == Style::fields && key == value)) {
        own = concat(before, position++);
      } else {
        std::string word;
        FERRY_RETURN_IF_ERROR(append_plain(document_, interpreter_, key, limits_.max_name_bytes, word));
        if (inner.style == Style::fields) {
          // What an nn.Module keeps: state_dict() gives them the names they have here.
          if (word == "_parameters" || word == "_buffers" || word == "_modules") {
            const Branches members = branches(value);
            for (const auto& [member, held] : members.pairs) {
              std::string path = before;
              FERRY_RETURN_IF_ERROR(append_plain(document_, interpreter_, member, limits_.max_name_bytes, path));
              if (document_.kind(held) != Kind::none) FERRY_RETURN_IF_ERROR(walk(held, std::move(path)));
            }
            continue;
          }
          if (word.starts_with("_")) continue;  // its own business: hooks, caches
        }
        own = before + word;
      }
      FERRY_RETURN_IF_ERROR(walk(value, std::move(own)));
    }
    facts_[id].on_path = false;
    return {};
  }

  const pickle::Document& document_;
  const Interpreter& interpreter_;
  const Limits& limits_;
  Tree& tree_;
  std::vector<Facts> facts_;
  std::unordered_map<Id, DescriptionPtr> described_;
  std::unordered_set<std::string> names_;
  std::unordered_map<std::string, uint64_t> repeats_;
  uint64_t most_steps_;
  uint64_t steps_ = 0;
  uint64_t text_bytes_ = 0;
};

}  // namespace

Status list_tensors(const pickle::Document& document, const Interpreter& interpreter, const Limits& limits, uint64_t pickle_bytes,
                    std::string_view prefix, Tree& tree) {
  return Walker(document, interpreter, limits, pickle_bytes, tree).run(prefix);
}

}  // namespace ferry::pt
