// Every adversarial case, with the card's kernels compiled natively.
#include "tests/differential/cases/cases.hpp"

#include <gtest/gtest.h>

#include <string>

#include "tests/differential/native_judge.hpp"

namespace phalanx::testing {
namespace {

class Adversarial : public ::testing::TestWithParam<AdversarialCase> {};

TEST_P(Adversarial, CardAndCpuAnswerTheSame) {
  NativeJudge judge;
  const Difference found = GetParam().play(judge);
  EXPECT_FALSE(found.has_value()) << *found;
}

INSTANTIATE_TEST_SUITE_P(All, Adversarial, ::testing::ValuesIn(kAdversarialCases),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace phalanx::testing
