# libFuzzer's programs, built by clang with its sanitizers whatever the compiler of the rest.
find_program(ALOFT_CLANGXX NAMES clang++-14 clang++)
set(fuzzer_runtime "")
if(ALOFT_CLANGXX)
  execute_process(COMMAND ${ALOFT_CLANGXX} -print-resource-dir OUTPUT_VARIABLE clang_resources OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(fuzzer_runtime ${clang_resources}/lib/linux/libclang_rt.fuzzer-${CMAKE_SYSTEM_PROCESSOR}.a)
endif()
if(EXISTS "${fuzzer_runtime}" AND NOT ALOFT_SANITIZE)
  set(ALOFT_FUZZERS ON)
else()
  set(ALOFT_FUZZERS OFF)
  message(STATUS "no libFuzzer runtime beside ${ALOFT_CLANGXX}, or a build under sanitizers: the fuzz tests do not run")
endif()
set(fuzzer_flags -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I${PROJECT_SOURCE_DIR})

# add_fuzzer(NAME FILES ... [FLAGS ...] [LINK ...] [DEPENDS ...]): the program NAME in this folder's build folder. FILES, whole paths, are
# compiled for it, once for all fuzzers of a folder; LINK follows them.
function(add_fuzzer name)
  cmake_parse_arguments(ARG "" "" "FILES;FLAGS;LINK;DEPENDS" ${ARGN})
  set(objects "")
  foreach(file ${ARG_FILES})
    cmake_path(RELATIVE_PATH file BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE object)
    string(REPLACE "/" "_" object ${object})
    set(object ${CMAKE_CURRENT_BINARY_DIR}/fuzzed/${object}.o)
    list(APPEND objects ${object})
    get_property(is_known DIRECTORY PROPERTY "known ${object}")
    if(NOT is_known)
      set_property(DIRECTORY PROPERTY "known ${object}" ON)
      add_custom_command(OUTPUT ${object}
        COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} ${ALOFT_CLANGXX} ${fuzzer_flags} ${ARG_FLAGS} -MD -MF ${object}.d -c ${file} -o ${object}
        DEPENDS ${file} ${ARG_DEPENDS} DEPFILE ${object}.d COMMENT "Building ${name}: ${file} (clang, libFuzzer)" VERBATIM)
    endif()
  endforeach()
  add_custom_command(OUTPUT ${name} COMMAND ${ALOFT_CLANGXX} ${fuzzer_flags} ${objects} ${ARG_LINK} -o ${name}
    DEPENDS ${objects} ${ARG_DEPENDS} COMMENT "Linking ${name}" VERBATIM)
endfunction()
