// decide_apply(): what becomes of a replicated record. Takes word 5 (order) and 6 (status) of the table's record, words
// 5 to 7 of the replicated one, and the context: now_ms | exists << 32. Writes the action, and words 6 and 7 of the
// record to install; its other words are the replicated ones.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/apply.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void decide_apply_words(uint64_t existing_order, uint64_t existing_status, uint64_t order, uint64_t status,
                               uint64_t rule, uint64_t context, uint64_t& action, uint64_t& status_out,
                               uint64_t& rule_out) {
  using namespace phalanx::hls;
  Session existing = {};
  existing.order = existing_order;
  set_session_status(existing, existing_status);
  Session replicated = {};
  replicated.order = order;
  set_session_status(replicated, status);
  set_session_rule(replicated, rule);
  const ApplyDecision decision = decide_apply((context >> 32 & 1) != 0, existing, replicated, word_u32(context, 0));
  action = static_cast<uint64_t>(decision.action);
  status_out = session_status(decision.session);
  rule_out = session_rule(decision.session);
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_decide_apply(uint64_t existing_order, uint64_t existing_status, uint64_t order,
                                          uint64_t status, uint64_t rule, uint64_t context, uint64_t* action,
                                          uint64_t* status_out, uint64_t* rule_out) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0, w2 = 0;
  decide_apply_words(existing_order, existing_status, order, status, rule, context, w0, w1, w2);
  *action = w0;
  *status_out = w1;
  *rule_out = w2;
}

// One word of them, number `index` (0: action), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_decide_apply_word(uint64_t existing_order, uint64_t existing_status, uint64_t order,
                                                   uint64_t status, uint64_t rule, uint64_t context, uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0, w2 = 0;
  decide_apply_words(existing_order, existing_status, order, status, rule, context, w0, w1, w2);
  return choose_word(index, w0, w1, w2, 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

int main() {
  const uint64_t exists = 1ull << 32, generation = 1ull << 24;
  const uint64_t dirty = 0x10ull << 40, reanchor = 0x60ull << 40, tcp = 4ull << 32, udp = 11ull << 32;
  struct Case {
    uint64_t existing_order, existing_status, order, status, context, action, status_out, rule_out;
  } const cases[] = {
      {0, 0, generation, tcp | 5, 256, 1, tcp | reanchor | 256, 2 << 16 | 3},  // new: both sides are re-anchored
      {generation, dirty, generation + 1, udp | 5, exists | 256, 1, udp | dirty | 256, 2 << 16 | 3},  // dirty stays
      {generation + 1, 0, generation + 1, udp | 5, exists | 256, 0, udp | 5, 3},                      // as new
      {generation + 0xffffff, 0, generation, udp, exists | 256, 1, udp | 256, 2 << 16 | 3},  // the version wraps
      {2 * generation, 0, generation + 9, udp, exists, 0, udp, 3},                           // an older generation
      {generation, 0, generation + 1, 14ull << 32, exists | 256, 2, 14ull << 32 | 256, 2 << 16 | 3},  // ended
      {0, 0, generation + 1, 14ull << 32, 256, 3, 14ull << 32 | 256, 2 << 16 | 3},
      {0, 0, generation, 15ull << 32, 256, 4, 15ull << 32, 3},  // no such state
  };
  for (const Case& c : cases) {
    uint64_t action, status, rule;
    stage_decide_apply(c.existing_order, c.existing_status, c.order, c.status, 3, c.context, &action, &status, &rule);
    if (action == c.action && status == c.status_out && rule == c.rule_out) continue;
    printf("case %u: action %u, status %016llx, rule %016llx\n", (unsigned)(&c - cases), (unsigned)action,
           (unsigned long long)status, (unsigned long long)rule);
    return 1;
  }
  return 0;
}
#endif
