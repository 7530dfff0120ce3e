#include "wire/powers_of_ten.h"

namespace ferry::number {

constexpr PowerTable kMadePowers = make_powers();
const PowerTable kPowers = kMadePowers;

}  // namespace ferry::number
