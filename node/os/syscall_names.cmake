# Lists the system calls that <sys/syscall.h> of a compiler knows, one PROCCTL_SYSCALL(name) a line.
# Script: cmake -DCOMPILER=cc -DFLAGS="..." -DOUT=file -P syscall_names.cmake
separate_arguments(flags NATIVE_COMMAND "${FLAGS}")
set(source ${OUT}.c)
file(WRITE ${source} "#include <sys/syscall.h>\n")
execute_process(COMMAND ${COMPILER} ${flags} -E -dM ${source}
  OUTPUT_VARIABLE macros RESULT_VARIABLE result ERROR_VARIABLE error)
file(REMOVE ${source})
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${COMPILER} cannot list the macros of <sys/syscall.h>: ${error}")
endif()
string(REGEX MATCHALL "#define __NR_[a-z0-9_]+ " lines "${macros}")
list(TRANSFORM lines REPLACE "#define __NR_([a-z0-9_]+) " "PROCCTL_SYSCALL(\\1)")
# How many there are and where an architecture's own begin: no system calls.
list(REMOVE_ITEM lines "PROCCTL_SYSCALL(syscalls)" "PROCCTL_SYSCALL(arch_specific_syscall)")
list(SORT lines)
list(LENGTH lines count)
if(count LESS 100)
  message(FATAL_ERROR "<sys/syscall.h> of ${COMPILER} names only ${count} system calls")
endif()
list(JOIN lines "\n" text)
file(WRITE ${OUT} "${text}\n")
