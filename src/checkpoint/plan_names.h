// How differently the same variable is called: by TensorFlow, Keras, PyTorch, Flax, in files of each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ferry::plan {

// Without what says nothing: ":0" of a TensorFlow variable, "/.ATTRIBUTES/VARIABLE_VALUE" of an object-based key.
std::string_view stripped(std::string_view name);

// The name of the variable whose moving average this is ("w/ExponentialMovingAverage", "w.ema"); empty where it is none.
std::string_view averaged(std::string_view name);

// The last word of a name, as far as it says what a variable is to its layer.
enum class Leaf : uint8_t {
  unknown,
  kernel,      // Keras, Flax: inputs before outputs
  depthwise,   // Keras' depthwise_kernel
  weight,      // PyTorch: outputs before inputs; also of embeddings and normalisations
  embeddings,  // Keras, Flax's embedding
  gamma,       // Keras; Flax's scale
  weights,     // TensorFlow 1's layers: laid out as a kernel
  bias,        // also beta, biases
  mean,        // moving_mean, running_mean
  variance,    // moving_variance, running_var
};

// A name in the one form in which names are compared: small letters, each of / . : _ a slash, the last word by what it means.
struct Canonical {
  std::string text;  // stripped
  std::string form;  // of all of it
  Leaf leaf = Leaf::unknown;
  // Where the name without one more outer scope begins, in text and in form: (0, 0) first.
  std::vector<std::pair<uint32_t, uint32_t>> starts;

  std::string_view suffix(size_t start) const { return std::string_view(form).substr(starts[start].second); }
  std::string_view prefix(size_t start) const { return std::string_view(text).substr(0, starts[start].first); }
};
Canonical canonical(std::string_view name);

// "layer_12/conv3/" is "layer_#/conv#/" and "12,3".
struct Numbered {
  std::string pattern, numbers;
};
Numbered numbered(std::string_view text);

// Keras numbers layers through a whole process: "net_3/dense/" is "net#/dense#/" and 3, 0.
struct Renumbered {
  std::string pattern;
  std::vector<int64_t> numbers;
};
Renumbered renumbered(std::string_view scopes);

// Whether one scope's last word could be the other's: shortened, lengthened, numbered otherwise, slipped.
bool alike(std::string_view a, std::string_view b);

}  // namespace ferry::plan
