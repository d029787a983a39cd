# Stands in for the CMake configuration of a 3D Slicer that was built, so that the extension can be configured, built
# and installed where there is no Slicer: cmake -DSlicer_DIR=<this folder>. Tests only; Slicer never reads it.
#
# It is stricter than Slicer: what Slicer would silently leave out of the package, it refuses (see UseSlicer.cmake).
# It proves that no file is missing and where each one lands; it cannot prove that Slicer's own packaging works.

set(Slicer_VERSION 5.13)
set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/SlicerExtensionGenerateConfig.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/SlicerExtensionCPack.cmake")

set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-${Slicer_VERSION}/qt-scripted-modules")
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "${Slicer_QTSCRIPTEDMODULES_LIB_DIR}")
