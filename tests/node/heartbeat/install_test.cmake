# Installs the client library and uses it as a stranger would: by find_package and by pkg-config, from
# C and from C++. cmake -D BUILD=... -D CONSUMER=... -D SCRATCH=... -P install_test.cmake
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\nended with ${result}:\n${output}")
  endif()
endfunction()

set(prefix ${SCRATCH}/prefix)
set(ENV{PROCCTL_HEARTBEAT_SOCKET} "") # Guarded or not is not the question here.
file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH})
run(${CMAKE_COMMAND} --build ${BUILD} --target procctl_heartbeat procctl_heartbeat_static)
run(${CMAKE_COMMAND} --install ${BUILD} --component heartbeat --prefix ${prefix})

foreach(language C CXX)
  set(consumer_build ${SCRATCH}/${language})
  run(${CMAKE_COMMAND} -S ${CONSUMER} -B ${consumer_build} -G Ninja
    -DCONSUMER_LANGUAGE=${language} -DCMAKE_PREFIX_PATH=${prefix})
  run(${CMAKE_COMMAND} --build ${consumer_build})
  run(${CMAKE_CTEST_COMMAND} --test-dir ${consumer_build} --no-tests=error --output-on-failure)
endforeach()

file(GLOB_RECURSE pc_file ${prefix}/*/procctl_heartbeat.pc)
get_filename_component(pc_dir ${pc_file} DIRECTORY)
get_filename_component(library_dir ${pc_dir} DIRECTORY)
set(ENV{LD_LIBRARY_PATH} ${library_dir})
set(ENV{PKG_CONFIG_PATH} ${pc_dir})
execute_process(COMMAND pkg-config --cflags --libs procctl_heartbeat
  OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
run(cc -std=c11 -Wall -Wextra -Wpedantic -Werror ${CONSUMER}/../c_consumer.c -o ${SCRATCH}/by_pc_c
  ${flags})
run(${SCRATCH}/by_pc_c)
run(c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror ${CONSUMER}/cpp_consumer.cc
  -o ${SCRATCH}/by_pc_cpp ${flags})
run(${SCRATCH}/by_pc_cpp)
file(REMOVE_RECURSE ${SCRATCH})
