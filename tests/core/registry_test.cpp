#include "shardopt/core/registry.h"

#include <gtest/gtest.h>

#include "shardopt/core/error.h"

namespace shardopt {
namespace {

struct Animal {
  int legs;
};

using AnimalRegistry = Registry<Animal, int>;

AnimalRegistry two_animals() {
  AnimalRegistry registry("animal");
  registry.add("lion", [](int legs) { return std::make_unique<Animal>(Animal{legs}); });
  registry.add("ant",
               [](int legs) { return std::make_unique<Animal>(Animal{legs + 2}); });
  return registry;
}

// The message of the ConfigError that `action` must throw.
template <typename Action>
std::string config_error(const Action& action) {
  try {
    action();
  } catch (const ConfigError& error) {
    return error.what_without_backtrace();
  }
  return "no ConfigError";
}

TEST(RegistryTest, CreatesByNameWithArguments) {
  EXPECT_EQ(two_animals().create("lion", 4)->legs, 4);
  EXPECT_EQ(two_animals().create("ant", 4)->legs, 6);
}

TEST(RegistryTest, ListsNamesSorted) {
  EXPECT_EQ(two_animals().names(), (std::vector<std::string>{"ant", "lion"}));
  EXPECT_TRUE(two_animals().contains("ant"));
  EXPECT_FALSE(two_animals().contains("bee"));
}

TEST(RegistryTest, UnknownNameIsErrorThatListsKnownOnes) {
  const AnimalRegistry registry = two_animals();
  EXPECT_EQ(config_error([&] { (void)registry.create("loin", 4); }),
            "unknown animal 'loin'; known: ant, lion; did you mean 'lion'?");
  EXPECT_EQ(config_error([&] { (void)registry.create("elephant", 4); }),
            "unknown animal 'elephant'; known: ant, lion");
}

TEST(RegistryTest, NameTakenTwiceIsError) {
  AnimalRegistry registry = two_animals();
  EXPECT_EQ(config_error([&] { registry.add("lion", nullptr); }),
            "animal 'lion' is registered twice");
  EXPECT_EQ(registry.create("lion", 4)->legs, 4);
}

TEST(RegistryTest, CopyTakesAdditionsOfItsOwn) {
  const AnimalRegistry original = two_animals();
  AnimalRegistry copy = original;
  copy.add("bee", [](int legs) { return std::make_unique<Animal>(Animal{legs}); });
  EXPECT_TRUE(copy.contains("bee"));
  EXPECT_FALSE(original.contains("bee"));
}

}  // namespace
}  // namespace shardopt
