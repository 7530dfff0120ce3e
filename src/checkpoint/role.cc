#include "ferry/role.h"

namespace ferry {

std::string_view role_name(Role role) {
  switch (role) {
    case Role::weight: return "weight";
    case Role::slot: return "slot";
    case Role::counter: return "counter";
    case Role::state: return "state";
    case Role::other: return "other";
  }
  __builtin_unreachable();
}

}  // namespace ferry
