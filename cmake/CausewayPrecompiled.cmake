# The headers of others, parsed once for a sanitizer build: a third of what clang would spend on each file.
#
# Made while configuring, so that no target has to wait for it. ccache cannot compare compiled headers, whose bytes differ
# between checkouts; it takes the sum of the text instead (CCACHE_PCH_EXTSUM).

set(precompiled_text ${CMAKE_CURRENT_LIST_DIR}/precompiled.h)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${precompiled_text})

# causeway_precompile(NAME [OPTIONS ...])
# Compiles the headers with OPTIONS into NAME.pch in the build folder.
function(causeway_precompile name)
    string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
    separate_arguments(flags UNIX_COMMAND "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${type}}")
    list(APPEND flags -std=c++20 -march=x86-64-v2 -fno-omit-frame-pointer -fsanitize=${CAUSEWAY_SANITIZE} -D_GLIBCXX_ASSERTIONS
                -DSPDLOG_COMPILED_LIB -DSPDLOG_SHARED_LIB -DSPDLOG_FMT_EXTERNAL -DFMT_SHARED -DGTEST_HAS_PTHREAD=1 ${CAUSEWAY_SANITIZED} ${ARGN})
    execute_process(COMMAND ${CMAKE_CXX_COMPILER} ${flags} -E -P -x c++-header ${precompiled_text} OUTPUT_VARIABLE content
                    COMMAND_ERROR_IS_FATAL ANY)
    string(SHA256 sum "${CMAKE_CXX_COMPILER_VERSION} ${flags} ${content}")

    # Whether there is one, made of this text by this compiler, and no header has changed since: the compiler says so.
    set(compiled ${CMAKE_BINARY_DIR}/${name}.pch)
    set(known "")
    if(EXISTS ${compiled}.sum)
        file(READ ${compiled}.sum known)
    endif()
    execute_process(COMMAND ${CMAKE_CXX_COMPILER} ${flags} -include-pch ${compiled} -fsyntax-only -x c++ /dev/null
                    RESULT_VARIABLE stale OUTPUT_QUIET ERROR_QUIET)
    if(stale OR NOT known STREQUAL sum)
        message(STATUS "Precompiling the headers of others: ${name}")
        execute_process(COMMAND ${CMAKE_CXX_COMPILER} ${flags} -fpch-instantiate-templates -x c++-header ${precompiled_text}
                                -o ${compiled}
                        COMMAND_ERROR_IS_FATAL ANY)
        file(WRITE ${compiled}.sum ${sum})
    endif()
endfunction()
