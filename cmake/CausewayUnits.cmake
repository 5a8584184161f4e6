# Several sources of a target as one compilation unit, in sanitizer builds: what a file says is compiled in a tenth of the time of
# what it includes, and a unit includes it once.
#
# CMAKE_UNITY_BUILD names the sources by absolute paths, so that ccache finds nothing that another checkout has compiled. Here they
# are named as the sources name their headers.

set(CAUSEWAY_UNIT_SOURCES 12 CACHE STRING "Sources of a unit. 0: all of a target, which shows every name that two of them have")

# causeway_separate(SOURCES ...)
# Sources of this folder with names in an unnamed namespace that others of their target have, too ("row", "create_params"): they
# stay units of their own. Whoever adds a second such name hears of it from the compiler.
function(causeway_separate)
    set_source_files_properties(${ARGN} PROPERTIES CAUSEWAY_SEPARATE ON)
endfunction()

# causeway_make_units(FOLDER)
# Of all targets in FOLDER and below.
function(causeway_make_units folder)
    get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
    foreach(target IN LISTS targets)
        get_target_property(type ${target} TYPE)
        if(type MATCHES "^(STATIC_LIBRARY|SHARED_LIBRARY|EXECUTABLE)$")
            causeway_make_units_of(${target})
        endif()
    endforeach()
    get_property(below DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
    foreach(each IN LISTS below)
        causeway_make_units(${each})
    endforeach()
endfunction()

function(causeway_make_units_of target)
    get_target_property(sources ${target} SOURCES)
    get_target_property(folder ${target} SOURCE_DIR)
    get_target_property(binary ${target} BINARY_DIR)
    set(units "")
    set(text "")
    set(in_unit 0)
    set(number 0)
    foreach(source IN LISTS sources)
        get_filename_component(path ${source} ABSOLUTE BASE_DIR ${folder})
        file(RELATIVE_PATH name ${CMAKE_SOURCE_DIR} ${path})
        get_source_file_property(separate ${path} TARGET_DIRECTORY ${target} CAUSEWAY_SEPARATE)
        get_source_file_property(definitions ${path} TARGET_DIRECTORY ${target} COMPILE_DEFINITIONS)
        if(separate OR definitions OR NOT name MATCHES "\\.cc$" OR name MATCHES "^(\\.\\.|build/)")
            list(APPEND units ${path})
            continue()
        endif()
        string(APPEND text "#include \"${name}\"\n")
        math(EXPR in_unit "${in_unit} + 1")
        if(in_unit EQUAL CAUSEWAY_UNIT_SOURCES)
            list(APPEND units ${binary}/units/${target}_${number}.cc)
            file(CONFIGURE OUTPUT ${binary}/units/${target}_${number}.cc CONTENT "${text}" @ONLY)
            math(EXPR number "${number} + 1")
            set(text "")
            set(in_unit 0)
        endif()
    endforeach()
    if(text)
        list(APPEND units ${binary}/units/${target}_${number}.cc)
        file(CONFIGURE OUTPUT ${binary}/units/${target}_${number}.cc CONTENT "${text}" @ONLY)
    endif()
    set_target_properties(${target} PROPERTIES SOURCES "${units}")
endfunction()
