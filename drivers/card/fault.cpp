#include "drivers/card/fault.hpp"

#include "absl/strings/str_cat.h"

namespace phalanx {

const char* card_fault_text(CardFaultKind kind) {
  switch (kind) {
#define PHALANX_CARD_FAULT_CASE(name, text) \
  case CardFaultKind::name:                 \
    return text;
    PHALANX_CARD_FAULTS(PHALANX_CARD_FAULT_CASE)
#undef PHALANX_CARD_FAULT_CASE
  }
  return "unknown";
}

std::string CardFault::text() const {
  return what.empty() ? card_fault_text(kind) : absl::StrCat(card_fault_text(kind), ": ", what);
}

const char* card_state_text(CardState state) {
  constexpr const char* kTexts[] = {"stopped", "starting", "ready", "faulted"};
  const auto index = static_cast<size_t>(state);
  return index < 4 ? kTexts[index] : "unknown";
}

}  // namespace phalanx
