#include "drivers/emulator/card_memory.hpp"

#include <map>
#include <random>

namespace phalanx::emulator {
namespace {

std::unique_ptr<CardMemory> memory_of(std::uint64_t bytes) {
  auto memory = CardMemory::create();
  EXPECT_TRUE(memory.ok()) << memory.status();
  EXPECT_TRUE((*memory)->set_banks({bytes / 2, bytes / 2}).ok());
  return *std::move(memory);
}

TEST(CardMemory, KeepsWhatIsWritten) {
  const auto memory = memory_of(16ull << 30);
  const std::uint64_t high = (16ull << 30) - 8192;
  ASSERT_TRUE(memory->allocate(0, 100).ok());
  ASSERT_TRUE(memory->allocate(high, 8192).ok());
  EXPECT_EQ(*memory->read(high + 8000, 3), std::string(3, '\0'));
  ASSERT_TRUE(memory->write(high + 8000, "abc").ok());
  EXPECT_EQ(*memory->read(high + 8000, 3), "abc");
  EXPECT_EQ(*static_cast<char*>(*memory->translate(high + 8001)), 'b');
}

TEST(CardMemory, RefusesWhatIsOutside) {
  const auto memory = memory_of(1 << 20);
  ASSERT_TRUE(memory->allocate(8192, 5000).ok());
  struct Case {
    std::uint64_t address;
    std::uint64_t size;
    bool holds;
  };
  const Case cases[] = {{8192, 8192, true}, {8192, 8193, false}, {8191, 1, false},         {16384, 1, false},
                        {16383, 1, true},   {16383, 2, false},   {~0ull, 1, false},        {8192, ~0ull, false},
                        {0, 1, false},      {8192, 0, true},     {kCardBytesMax, 4, false}};
  for (const auto& one : cases) {
    EXPECT_EQ(memory->read(one.address, one.size).ok(), one.holds) << one.address << " " << one.size;
  }
  EXPECT_FALSE(memory->write(16380, "12345").ok());
  EXPECT_FALSE(memory->translate(16384).ok());
  EXPECT_FALSE(memory->flip(16384, 0).ok());
  EXPECT_FALSE(memory->flip(8192, 8).ok());
}

TEST(CardMemory, AllocatesOnlyFreePagesOfTheBanks) {
  const auto memory = memory_of(1 << 20);
  EXPECT_FALSE(memory->allocate(0, 0).ok());
  EXPECT_FALSE(memory->allocate(100, 4096).ok());
  EXPECT_FALSE(memory->allocate((1 << 20) - 4096, 4097).ok());
  EXPECT_FALSE(memory->allocate(~0ull - 4095, 4096).ok());
  ASSERT_TRUE(memory->allocate(8192, 4097).ok());
  EXPECT_FALSE(memory->allocate(8192, 1).ok());
  EXPECT_FALSE(memory->allocate(4096, 4097).ok());
  EXPECT_FALSE(memory->allocate(12288, 1).ok());
  EXPECT_TRUE(memory->allocate(4096, 4096).ok());
  EXPECT_TRUE(memory->allocate(16384, 1).ok());
  EXPECT_FALSE(memory->free(12288).ok());
  EXPECT_FALSE(memory->set_banks({8192}).ok()) << "buffers would be outside";
  EXPECT_FALSE(memory->set_banks({kCardBytesMax, 1}).ok());
}

TEST(CardMemory, IsZeroAndGoneAfterFree) {
  const auto memory = memory_of(1 << 20);
  ASSERT_TRUE(memory->allocate(4096, 4096).ok());
  ASSERT_TRUE(memory->write(4096, "secret").ok());
  ASSERT_TRUE(memory->free(4096).ok());
  EXPECT_FALSE(memory->read(4096, 1).ok());
  ASSERT_TRUE(memory->allocate(4096, 4096).ok());
  EXPECT_EQ(*memory->read(4096, 6), std::string(6, '\0'));
}

TEST(CardMemory, FlipsOneBit) {
  const auto memory = memory_of(1 << 20);
  ASSERT_TRUE(memory->allocate(0, 4096).ok());
  for (unsigned bit = 0; bit < 8; ++bit) {
    ASSERT_TRUE(memory->write(10, std::string(1, 'Z')).ok());
    ASSERT_TRUE(memory->flip(10, bit).ok());
    EXPECT_EQ((*memory->read(10, 1))[0], static_cast<char>('Z' ^ (1 << bit)));
  }
}

TEST(CardMemory, LimitsTheBuffers) {
  const auto memory = memory_of(1ull << 30);
  for (std::uint64_t i = 0; i < kBuffersMax; ++i) {
    ASSERT_TRUE(memory->allocate(i * 8192, 4096).ok()) << i;
  }
  EXPECT_FALSE(memory->allocate(kBuffersMax * 8192, 4096).ok());
}

// Against a plain map of bytes.
TEST(CardMemory, AgreesWithAModelUnderRandomOperations) {
  constexpr std::uint64_t kPages = 32;
  const auto memory = memory_of(kPages * kPageBytes);
  std::map<std::uint64_t, std::string> model;  // by address, whole pages
  std::mt19937_64 random(4);
  for (int i = 0; i < 20'000; ++i) {
    const auto page = random() % kPages * kPageBytes;
    const auto holder = std::find_if(model.begin(), model.end(), [&](const auto& buffer) {
      return page >= buffer.first && page < buffer.first + buffer.second.size();
    });
    const auto choice = random() % 8;
    if (choice == 0) {
      const auto pages = 1 + random() % 3;
      bool fits = page + pages * kPageBytes <= kPages * kPageBytes;
      for (const auto& [address, bytes] : model) {
        fits = fits && (page + pages * kPageBytes <= address || address + bytes.size() <= page);
      }
      ASSERT_EQ(memory->allocate(page, pages * kPageBytes).ok(), fits);
      if (fits) {
        model[page] = std::string(pages * kPageBytes, '\0');
      }
    } else if (choice == 1) {
      ASSERT_EQ(memory->free(page).ok(), model.erase(page) == 1);
    } else {
      const auto address = page + random() % kPageBytes;
      const std::string data(1 + random() % 3000, static_cast<char>(random()));
      const bool inside = holder != model.end() && address + data.size() <= holder->first + holder->second.size();
      if (choice < 5) {
        ASSERT_EQ(memory->write(address, data).ok(), inside);
        if (inside) {
          holder->second.replace(address - holder->first, data.size(), data);
        }
      } else {
        const auto read = memory->read(address, data.size());
        ASSERT_EQ(read.ok(), inside);
        if (inside) {
          ASSERT_EQ(*read, holder->second.substr(address - holder->first, data.size()));
        }
      }
    }
  }
}

}  // namespace
}  // namespace phalanx::emulator
