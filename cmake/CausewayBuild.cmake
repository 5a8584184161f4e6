# How every folder builds: one library per folder, unit tests and micro-benchmarks beside the files they test.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
# Backtraces and profiles want functions and lines; all of a debugger's wishes would take a third more time to compile. The preset
# "debug" has them.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")

# Fast enough for thousands of runs a second; assertions stay in.
set(CMAKE_CXX_FLAGS_FUZZ "-O1 -g1")

set(CAUSEWAY_SANITIZE "" CACHE STRING "Sanitizers, as given to -fsanitize")
option(CAUSEWAY_FUZZ "Count what libFuzzer steers by, and build tests/fuzz. Clang only" OFF)

find_program(CCACHE ccache)
if(CCACHE)
    # Checkouts share what they have compiled, wherever they lie.
    # A precompiled header is known by the sum beside it (CausewayPrecompiled.cmake), not by its bytes.
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=true
                                    CCACHE_PCH_EXTSUM=true CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
endif()

# Emulated CPUs of test guests have AVX2 and nothing beyond.
add_compile_options(-march=x86-64-v2 -Wall -Wextra -Wpedantic -Wnon-virtual-dtor -Woverloaded-virtual -Werror
                    -fno-omit-frame-pointer)
# g++ 12 warns of coroutine frames and std::variant what is not so.
add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> -Wno-missing-field-initializers)
# Macros of <infiniband/verbs.h> mix two enumerations; clang says so wherever they are used.
add_compile_options($<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-enum-enum-conversion>)
if(CAUSEWAY_SANITIZE)
    set(CMAKE_CXX_FLAGS_DEBUG "-g1")
    add_compile_options(-fsanitize=${CAUSEWAY_SANITIZE} -fno-sanitize-recover=undefined)
    add_link_options(-fsanitize=${CAUSEWAY_SANITIZE})
    # g++ defines these by itself.
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
        string(REGEX MATCH "address|thread" sanitized ${CAUSEWAY_SANITIZE})
        string(TOUPPER ${sanitized} sanitized)
        set(CAUSEWAY_SANITIZED -D__SANITIZE_${sanitized}__=1)
        add_compile_options(${CAUSEWAY_SANITIZED})
    endif()
endif()
# What a fuzzer is to learn counts its branches: the libraries, not their tests and not what tests stand on.
set(counted $<BOOL:$<TARGET_PROPERTY:CAUSEWAY_COUNTED>>)
if(CAUSEWAY_FUZZ)
    add_compile_options($<${counted}:-fsanitize=fuzzer-no-link>)
endif()
if(CAUSEWAY_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    include(CausewayPrecompiled)
    causeway_precompile(precompiled)
    causeway_precompile(precompiled_counted -fsanitize=fuzzer-no-link)
    # Relative to the build folder, where compilers run: the same words in every checkout. Shared libraries, which are compiled
    # for any position, would need one of their own.
    set(precompiled $<IF:${counted},precompiled_counted,precompiled>.pch)
    set(is_shared $<STREQUAL:$<TARGET_PROPERTY:TYPE>,SHARED_LIBRARY>)
    add_compile_options("$<$<NOT:${is_shared}>:SHELL:-include-pch ${precompiled}>")
endif()
# With assertions of the standard library where speed does not matter.
add_compile_options($<$<CONFIG:Debug,Fuzz>:-D_GLIBCXX_ASSERTIONS>)

include_directories(${CMAKE_SOURCE_DIR})

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(tl-expected REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(prometheus-cpp REQUIRED)
# Of DPDK only the environment layer: linking the whole kit would load a hundred drivers.
pkg_check_modules(dpdk REQUIRED libdpdk)
add_library(causeway_dpdk INTERFACE)
target_include_directories(causeway_dpdk SYSTEM INTERFACE ${dpdk_INCLUDE_DIRS})
target_compile_options(causeway_dpdk INTERFACE -include rte_config.h)
target_link_libraries(causeway_dpdk INTERFACE rte_eal)
pkg_check_modules(ibverbs REQUIRED IMPORTED_TARGET libibverbs)
pkg_check_modules(isal REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(systemd REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(rdmacm REQUIRED IMPORTED_TARGET librdmacm)
find_library(RBD_LIBRARY rbd REQUIRED)
find_library(RADOS_LIBRARY rados REQUIRED)

include(GoogleTest)
find_package(Python3 REQUIRED COMPONENTS Interpreter)

include(CausewayUnits)

# causeway_library(NAME SOURCES ... LINKS ...)
# The target of one folder. LINKS are the floors below it and the parts that it alone uses.
function(causeway_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
    if(ARG_SOURCES)
        add_library(causeway_${name} STATIC ${ARG_SOURCES})
        target_link_libraries(causeway_${name} PUBLIC ${ARG_LINKS})
        set_target_properties(causeway_${name} PROPERTIES CAUSEWAY_COUNTED ${CAUSEWAY_FUZZ})
    else()
        add_library(causeway_${name} INTERFACE)
        target_link_libraries(causeway_${name} INTERFACE ${ARG_LINKS})
    endif()
endfunction()

# causeway_test(NAME SOURCES ... LINKS ... [LABELS ...] [PROCESS_PER_CASE])
# One GoogleTest program of a folder. ctest knows each case; under a sanitizer, where processes cost more than cases, it knows the
# program, unless what is tested wants a new process for each case (PROCESS_PER_CASE).
function(causeway_test name)
    cmake_parse_arguments(ARG "PROCESS_PER_CASE" "" "SOURCES;LINKS;LABELS" ${ARGN})
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_LINKS} GTest::gtest GTest::gmock GTest::gtest_main)
    # Tests are not optimized: what they test is, and they compile in three quarters of the time.
    target_compile_options(${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O0>)
    if(CAUSEWAY_SANITIZE AND NOT ARG_PROCESS_PER_CASE)
        causeway_test_entry(${name} ${name} LABELS ${ARG_LABELS})
    else()
        gtest_discover_tests(${name} TEST_PREFIX "${name}/" DISCOVERY_TIMEOUT 60
                             PROPERTIES TIMEOUT 300 LABELS "${ARG_LABELS}")
    endif()
endfunction()

# causeway_test_entry(ENTRY PROGRAM [ARGUMENTS ...] [LABELS ...])
# All cases of a GoogleTest program, or those that its arguments choose, as one entry of ctest. A report of the cases is
# cases/ENTRY.xml in the build folder, where ./test reads it. If the program is not built, the entry is called ENTRY_NOT_BUILT.
function(causeway_test_entry entry program)
    cmake_parse_arguments(ARG "" "" "ARGUMENTS;LABELS" ${ARGN})
    string(MAKE_C_IDENTIFIER ${entry} file)
    set(file ${CMAKE_CURRENT_BINARY_DIR}/${file}_entry.cmake)
    set(arguments "")
    foreach(argument IN LISTS ARG_ARGUMENTS)
        string(APPEND arguments " \"${argument}\"")
    endforeach()
    file(GENERATE OUTPUT ${file} CONTENT
"if(EXISTS \"$<TARGET_FILE:${program}>\")
    add_test(\"${entry}\" \"${Python3_EXECUTABLE}\" -B -m lab.gtest_cases \"${CMAKE_BINARY_DIR}/cases/${entry}.xml\"
             \"$<TARGET_FILE:${program}>\"${arguments})
    set_tests_properties(\"${entry}\" PROPERTIES TIMEOUT 1500 LABELS \"${ARG_LABELS}\"
                         ENVIRONMENT \"PYTHONPATH=${CMAKE_SOURCE_DIR}/tests\")
else()
    add_test(\"${entry}_NOT_BUILT\" \"${entry}_NOT_BUILT\")
endif()
")
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${file})
endfunction()

# causeway_bench(NAME SOURCES ... LINKS ...)
function(causeway_bench name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_LINKS})
    if(CAUSEWAY_SANITIZE OR CAUSEWAY_FUZZ)  # there is nothing to measure
        set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL TRUE)
    endif()
endfunction()
