# Toolchain of a machine that need not have a compiler: the extension compiles nothing, but project() looks for one.
foreach(language IN ITEMS C CXX)
  set(CMAKE_${language}_COMPILER "${CMAKE_COMMAND}")
  set(CMAKE_${language}_COMPILER_FORCED ON)
  set(CMAKE_${language}_COMPILER_ID_RUN ON)
endforeach()
