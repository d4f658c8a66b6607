# ISAL::isal, Intel's Intelligent Storage Acceleration Library (libisal-dev).
find_library(ISAL_LIBRARY isal)
find_path(ISAL_INCLUDE_DIR isa-l/crc.h)
mark_as_advanced(ISAL_LIBRARY ISAL_INCLUDE_DIR)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(ISAL REQUIRED_VARS ISAL_LIBRARY ISAL_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install libisal-dev (tools/setup does)")

if(ISAL_FOUND AND NOT TARGET ISAL::isal)
  add_library(ISAL::isal INTERFACE IMPORTED)
  target_include_directories(ISAL::isal SYSTEM INTERFACE "${ISAL_INCLUDE_DIR}")
  target_link_libraries(ISAL::isal INTERFACE "${ISAL_LIBRARY}")
endif()
