# What an installed copy consists of: the command (cli/) and its manual page, both libraries, the headers,
# and how pkg-config and CMake find them.  All paths are relative, so the copy may be moved.
include(CMakePackageConfigHelpers)
set(npri_package ${CMAKE_INSTALL_LIBDIR}/cmake/nprocreg)

install(DIRECTORY include/nprocreg DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES docs/man/nprocreg.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
set_target_properties(nprocreg_shared PROPERTIES EXPORT_NAME nprocreg)
set_target_properties(nprocreg_static PROPERTIES EXPORT_NAME static)
install(TARGETS nprocreg_shared EXPORT nprocregTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS nprocreg_static EXPORT nprocregStaticTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(set nprocregTargets nprocregStaticTargets)
    install(EXPORT ${set} NAMESPACE nprocreg:: DESTINATION ${npri_package})
endforeach()

configure_package_config_file(cmake/nprocregConfig.cmake.in
    ${CMAKE_BINARY_DIR}/package/nprocregConfig.cmake INSTALL_DESTINATION ${npri_package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/nprocregConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/package/nprocregConfig.cmake
              ${CMAKE_BINARY_DIR}/package/nprocregConfigVersion.cmake
        DESTINATION ${npri_package})

file(RELATIVE_PATH NPRI_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" NPRI_PC_TO_PREFIX "${NPRI_PC_TO_PREFIX}")
configure_file(cmake/nprocreg.pc.in ${CMAKE_BINARY_DIR}/package/nprocreg.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/package/nprocreg.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
