# Slicer writes <extension>Config.cmake here, for extensions that build on this one; nothing of ours goes into it.
if(NOT DEFINED EXTENSION_NAME)
  message(FATAL_ERROR "include(\${Slicer_USE_FILE}) comes first")
endif()
