# What every module and test shares: flags, libraries, and the functions that declare them.
#   aspen_module(NAME [DEPS target...] [SYSTEM_DEPS target...] [UNITY])
#       the static library aspen_NAME from the *.cc files of the current folder
#   aspen_program(NAME SOURCES file... DEPS target...)
#       a program in bin/; those of ASPEN_INSTALLED are installed, those of ASPEN_JEMALLOC allocate
#       with jemalloc
#   aspen_test(NAME LABEL label [TIMEOUT seconds] [SOURCES file...] [DEPS target...])
#       a GoogleTest program from the *_test.cc files of the current folder (or SOURCES), as one
#       ctest; it exits 77 (skipped) when every test that ran was skipped
#   aspen_script_test(NAME LABEL label [TIMEOUT seconds] [NEEDS target...] COMMAND word...)
#       any other program as a ctest; exit status 77 means skipped. Made when all of NEEDS are
#       targets. Its environment has ASPEN_BIN, the folder of the built programs, and ASPEN_SOURCE,
#       the checkout
# Each module with sources also gets a link test: the whole archive against only what it declares.

include(GNUInstallDirs)

# The cache is shared between checkouts: paths below the source folder count relative to it.
find_program(ASPEN_CCACHE ccache)
if(ASPEN_CCACHE)
  set(launcher env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${ASPEN_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
endif()
find_program(ASPEN_MOLD mold)
if(ASPEN_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

set(ASPEN_SANITIZE "" CACHE STRING "sanitizers, as in -fsanitize=")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g1")
add_compile_options(-fno-omit-frame-pointer)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  add_compile_options(-march=x86-64-v2)
endif()
# Assertions print node/raft/core.cc, wherever the checkout is and however the cache names it.
file(RELATIVE_PATH source_from_build ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
add_compile_options(-fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=
                    -fmacro-prefix-map=${source_from_build}/=)
if(ASPEN_SANITIZE)
  add_compile_options(-fsanitize=${ASPEN_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${ASPEN_SANITIZE})
  add_compile_definitions(ASPEN_SANITIZED=1)
  # gcc 12 sees uninitialised values in tl::expected where the sanitizers change the flow.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-error=maybe-uninitialized)
  endif()
endif()

set(ASPEN_INSTALLED aspen-node aspenctl aspen-operator)
set(ASPEN_JEMALLOC aspen-node aspen-bench)

set(ASPEN_WARNINGS -Wall -Wextra -Wconversion -Wshadow -Wold-style-cast -Wswitch-enum
    -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND ASPEN_WARNINGS -Wlogical-op -Wduplicated-cond -Wuseless-cast)
endif()

find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(RocksDB CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(fmt CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)


# The programs build without the test libraries; tests/run insists on them.
set(ASPEN_TESTS AUTO CACHE STRING "build the tests: ON, OFF, or AUTO (if GoogleTest is there)")
if(ASPEN_TESTS STREQUAL "ON")
  find_package(GTest CONFIG REQUIRED)
  find_package(benchmark CONFIG REQUIRED)
elseif(ASPEN_TESTS STREQUAL "AUTO")
  find_package(GTest CONFIG QUIET)
  find_package(benchmark CONFIG QUIET)
endif()
if(GTest_FOUND AND benchmark_FOUND)
  set(ASPEN_BUILD_TESTS ON)
else()
  set(ASPEN_BUILD_TESTS OFF)
  message(STATUS "Tests are not built: ASPEN_TESTS is ${ASPEN_TESTS}, "
                 "GoogleTest found: '${GTest_FOUND}', benchmark found: '${benchmark_FOUND}'")
endif()
if(ASPEN_BUILD_TESTS)
  add_library(aspen_test_main STATIC ${CMAKE_SOURCE_DIR}/cmake/test_main.cc)
  target_link_libraries(aspen_test_main PUBLIC GTest::gtest GTest::gmock)
  target_compile_options(aspen_test_main PRIVATE ${ASPEN_WARNINGS})
endif()

# Links the whole archive of a module, so that a symbol it uses without declaring where it comes
# from is an error, though every program happens to link that library too.
add_custom_target(aspen_link_tests)
function(aspen_link_test name)
  add_executable(link_${name} EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/cmake/link_main.cc)
  target_link_libraries(link_${name} PRIVATE "$<LINK_LIBRARY:WHOLE_ARCHIVE,aspen_${name}>")
  set_target_properties(link_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/link)
  add_dependencies(aspen_link_tests link_${name})
endfunction()

function(aspen_module name)
  cmake_parse_arguments(ARG "UNITY" "" "DEPS;SYSTEM_DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  if(NOT sources)
    add_library(aspen_${name} INTERFACE)
    target_include_directories(aspen_${name} INTERFACE ${CMAKE_SOURCE_DIR})
    target_link_libraries(aspen_${name} INTERFACE ${ARG_DEPS} ${ARG_SYSTEM_DEPS})
    return()
  endif()
  add_library(aspen_${name} STATIC ${sources})
  target_include_directories(aspen_${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(aspen_${name} PUBLIC ${ARG_DEPS} ${ARG_SYSTEM_DEPS})
  target_compile_options(aspen_${name} PRIVATE ${ASPEN_WARNINGS})
  if(ARG_UNITY)
    set_target_properties(aspen_${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
  aspen_link_test(${name})
endfunction()

function(aspen_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE ${ASPEN_WARNINGS})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  if(name IN_LIST ASPEN_JEMALLOC AND NOT ASPEN_SANITIZE)
    target_link_libraries(${name} PRIVATE PkgConfig::JEMALLOC)
  endif()
  if(name IN_LIST ASPEN_INSTALLED)
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endfunction()

function(aspen_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(NOT ASPEN_BUILD_TESTS)
    return()
  endif()
  if(NOT ARG_SOURCES)
    file(GLOB ARG_SOURCES CONFIGURE_DEPENDS *_test.cc)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE ${ASPEN_WARNINGS})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} aspen_test_main)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} SKIP_RETURN_CODE 77
                       TIMEOUT ${ARG_TIMEOUT})
  if(ASPEN_SANITIZE MATCHES "thread")
    set_property(TEST ${name} PROPERTY ENVIRONMENT
                 TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/cmake/tsan.supp)
  endif()
endfunction()

function(aspen_script_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "NEEDS;COMMAND" ${ARGN})
  foreach(target IN LISTS ARG_NEEDS)
    if(NOT TARGET ${target})
      message(STATUS "Test ${name} is left out: there is no target ${target}")
      return()
    endif()
  endforeach()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_test(NAME ${name} COMMAND ${ARG_COMMAND})
  set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} SKIP_RETURN_CODE 77
                       TIMEOUT ${ARG_TIMEOUT})
  set_property(TEST ${name} PROPERTY ENVIRONMENT ASPEN_BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}
               ASPEN_SOURCE=${CMAKE_SOURCE_DIR})
endfunction()
