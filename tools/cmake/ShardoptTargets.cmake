include(GNUInstallDirs)

# Settings of our own code only; never exported to users.
add_library(shardopt_build_flags INTERFACE)
target_compile_features(shardopt_build_flags INTERFACE cxx_std_20)
target_compile_options(shardopt_build_flags INTERFACE -Wall -Wextra -Wpedantic
                       -Wshadow -Wnon-virtual-dtor)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees all three in `"text" + std::string`, where none is (its bug 105651).
  target_compile_options(shardopt_build_flags INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND SHARDOPT_PCH)
  # Lets ccache see through precompiled headers.
  target_compile_options(shardopt_build_flags INTERFACE -fpch-preprocess)
endif()
if(SHARDOPT_SANITIZE)
  target_compile_options(shardopt_build_flags INTERFACE -fsanitize=${SHARDOPT_SANITIZE}
                         -fno-omit-frame-pointer)
  target_link_options(shardopt_build_flags INTERFACE -fsanitize=${SHARDOPT_SANITIZE})
endif()

# shardopt_module(name HEADERS ... SOURCES ... DEPENDS ... [PRIVATE_DEPENDS ...] [C10D])
#
# One folder, one library: target shardopt_<name>, alias shardopt::<name>. HEADERS are the
# public ones, below include/; a module sees only the modules it DEPENDS on.
# C10D marks the one module that may include c10d's (heavy) headers.
function(shardopt_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "C10D" "" "HEADERS;SOURCES;DEPENDS;PRIVATE_DEPENDS")
  set(target shardopt_${name})
  add_library(${target} ${arg_SOURCES})
  add_library(shardopt::${name} ALIAS ${target})
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${arg_HEADERS})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_link_libraries(${target} PUBLIC ${arg_DEPENDS}
                        PRIVATE ${arg_PRIVATE_DEPENDS} $<BUILD_INTERFACE:shardopt_build_flags>)
  if(NOT arg_C10D)  # Umbrella headers (ATen/ATen.h, torch/torch.h) do not compile.
    target_compile_definitions(${target} PRIVATE
      AT_PER_OPERATOR_HEADERS TORCH_ASSERT_ONLY_METHOD_OPERATORS)
  endif()
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON
    VERIFY_INTERFACE_HEADER_SETS ON)
  if(SHARDOPT_PCH AND name STREQUAL "core")
    target_precompile_headers(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tools/cmake/shardopt_pch.h")
  elseif(SHARDOPT_PCH AND NOT arg_C10D)
    target_precompile_headers(${target} REUSE_FROM shardopt_core)
  endif()
  install(TARGETS ${target} EXPORT shardoptTargets FILE_SET HEADERS)
endfunction()

# shardopt_test(name SOURCES ... LINKS ... [RANKS n] [TIMEOUT seconds])
#
# Without RANKS the whole program is one ctest entry, since LibTorch takes half
# a second to load; with RANKS every case is an entry of its own.
function(shardopt_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "RANKS;TIMEOUT" "SOURCES;LINKS")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINKS} shardopt_build_flags GTest::gtest_main)
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  if(SHARDOPT_PCH)
    target_precompile_headers(${name} REUSE_FROM shardopt_test_pch)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  set(properties TIMEOUT ${arg_TIMEOUT} ENVIRONMENT OMP_NUM_THREADS=1)
  if(arg_RANKS)
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 PROPERTIES
      LABELS multiprocess PROCESSORS ${arg_RANKS} ${properties})
  else()
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS unit ${properties})
  endif()
endfunction()
