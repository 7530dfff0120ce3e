// What optimizers call themselves, their settings and what they keep beside a variable.
#pragma once

#include <functional>
#include <string_view>

#include "ferry/checkpoint.h"

namespace ferry {

// By its children: those of tf.keras and Keras 3 optimizers, old and new; or by slots, which nothing else has.
bool looks_like_optimizer(const ObjectNode& node);
// What an attribute that holds an optimizer is called: "optimizer", "generator_optimizer".
bool is_optimizer_name(std::string_view name);
inline bool may_be_optimizer(const ObjectNode& node) { return node.attributes.empty() && (!node.children.empty() || !node.slots.empty()); }
// Scales losses for the optimizer among its children.
bool wraps_optimizer(const ObjectNode& node, const std::function<bool(uint32_t child)>& is_optimizer);

// A name, or the last part of one, that counts: "iter", "global_step", "save_counter".
bool is_counter_name(std::string_view name);
// "Adam", "RMSProp_1", "ExponentialMovingAverage": what tf.compat.v1 optimizers append to a variable's name.
bool is_slot_suffix(std::string_view word);
// "m", "rms", "vhat": what Keras's append, whose own name stands in front.
bool is_keras_slot_suffix(std::string_view word);
// "Adam", "SGD_1": an optimizer's own name as a part of one.
bool is_optimizer_word(std::string_view word);
// "beta1_power": an optimizer's own variables.
bool is_setting_name(std::string_view word);

}  // namespace ferry
