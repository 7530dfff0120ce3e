#include "checkpoint/optimizers.h"

#include <algorithm>
#include <string>

namespace ferry {
namespace {

// Without the number that makes a name unique: "Adam_1" is "Adam".
std::string_view without_number(std::string_view word) {
  const size_t end = word.find_last_not_of("0123456789");
  if (end == std::string_view::npos || end + 1 == word.size() || word[end] != '_' || end == 0) return word;
  return word.substr(0, end);
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

template <size_t N>
bool is_one_of(std::string_view word, const std::string_view (&words)[N]) {
  return std::ranges::find(words, word) != std::end(words);
}

}  // namespace

bool looks_like_optimizer(const ObjectNode& node) {
  if (!node.slots.empty()) return true;
  bool iterations = false, old_iterations = false, settings = false, old_settings = false;
  for (const ObjectChild& child : node.children) {
    iterations |= child.name == "_iterations";
    settings |= child.name == "_learning_rate" || child.name == "_variables" || child.name == "_trainable_variables";
    old_iterations |= child.name == "iter";
    old_settings |= child.name == "learning_rate" || child.name == "decay" || child.name == "lr";
  }
  return (iterations && settings) || (old_iterations && old_settings);
}

bool is_optimizer_name(std::string_view name) { return name.ends_with("optimizer") || name == "opt" || name == "optim"; }

bool wraps_optimizer(const ObjectNode& node, const std::function<bool(uint32_t child)>& is_optimizer) {
  bool inner = false, scale = false;
  for (const ObjectChild& child : node.children) {
    inner |= (child.name == "inner_optimizer" || child.name == "base_optimizer" || child.name == "_optimizer" ||
              child.name == "_inner_optimizer") &&
             is_optimizer(child.node);
    scale |= child.name == "dynamic_scale" || child.name == "step_counter" || child.name == "_loss_scale" || child.name == "loss_scale";
  }
  return inner && scale;
}

bool is_counter_name(std::string_view name) {
  constexpr std::string_view kNames[] = {"global_step", "step",        "steps",     "_step",      "iter",        "iteration",
                                         "iterations",  "_iterations", "epoch",     "epochs",     "local_step",  "save_counter",
                                         "counter",     "count",       "cur_epoch", "train_step", "global_epoch"};
  name = without_number(name);
  return is_one_of(name, kNames) || name.ends_with("_counter") || name.ends_with("_step") || name.ends_with("_epoch");
}

bool is_slot_suffix(std::string_view word) {
  constexpr std::string_view kWords[] = {"Adam",
                                         "AdamW",
                                         "AdamWeightDecay",
                                         "LazyAdam",
                                         "AdaMax",
                                         "Adamax",
                                         "NadamW",
                                         "Nadam",
                                         "Momentum",
                                         "MomentumW",
                                         "Adagrad",
                                         "AdagradDA",
                                         "Adadelta",
                                         "RMSProp",
                                         "Ftrl",
                                         "LARS",
                                         "LARSOptimizer",
                                         "LAMB",
                                         "ExponentialMovingAverage",
                                         "adam_m",
                                         "adam_v",
                                         "lamb_m",
                                         "lamb_v",
                                         "Yogi",
                                         "PowerSign",
                                         "AddSign",
                                         "ProximalAdagrad",
                                         "Adafactor",
                                         "GradientDescent",
                                         "MomentumOptimizer",
                                         "DelayCompensatedGradientDescent"};
  return is_one_of(without_number(word), kWords);
}

bool is_keras_slot_suffix(std::string_view word) {
  constexpr std::string_view kWords[] = {"m",        "v",           "vhat",       "rms",       "mg",     "momentum", "momentums",
                                         "velocity", "accumulator", "accum_grad", "accum_var", "linear", "average",  "slow"};
  return is_one_of(word, kWords);
}

bool is_optimizer_word(std::string_view word) {
  constexpr std::string_view kWords[] = {"adam",  "adamw", "sgd",  "rmsprop", "adagrad",   "adadelta", "adamax",
                                         "nadam", "ftrl",  "lamb", "lion",    "adafactor", "muon",     "yogi"};
  word = without_number(word);
  return std::ranges::any_of(kWords, [&](std::string_view known) { return equal_ignoring_case(word, known); });
}

bool is_setting_name(std::string_view word) {
  constexpr std::string_view kNames[] = {
      "beta1_power", "beta2_power", "beta_1",         "beta_2",     "learning_rate",      "_learning_rate", "lr",           "decay",
      "rho",         "epsilon",     "momentum_cache", "loss_scale", "current_loss_scale", "good_steps",     "dynamic_scale"};
  return is_one_of(without_number(word), kNames);
}

}  // namespace ferry
