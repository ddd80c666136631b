# Writes a file as C++ initializers: 0x0a,0x1f,...
# Script: cmake -DIN=file -DOUT=file -P embed_schema.cmake
file(READ ${IN} bytes HEX)
if(bytes STREQUAL "")
  message(FATAL_ERROR "${IN} is empty")
endif()
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
file(WRITE ${OUT} "${bytes}\n")
