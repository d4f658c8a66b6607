option(SHARDOPT_BUILD_TESTS "Build the test programs" ${PROJECT_IS_TOP_LEVEL})
option(SHARDOPT_PCH "Precompile LibTorch's headers" ON)
set(SHARDOPT_SANITIZE "" CACHE STRING "Sanitizers, e.g. address,undefined or thread")

# What tools/setup installs; another Python, or SHARDOPT_TORCH_DIR, may be given instead.
if(NOT Python3_EXECUTABLE AND EXISTS "${PROJECT_SOURCE_DIR}/build/venv/bin/python3")
  set(Python3_EXECUTABLE "${PROJECT_SOURCE_DIR}/build/venv/bin/python3")
endif()

# ccache, where it is installed, precompiled headers included.
find_program(SHARDOPT_CCACHE ccache)
mark_as_advanced(SHARDOPT_CCACHE)
if(SHARDOPT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}"
    "CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime"
    ${SHARDOPT_CCACHE})
endif()
