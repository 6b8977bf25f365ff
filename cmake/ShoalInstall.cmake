# libshoal (static and shared), the program, headers, pkg-config file, man pages, completions, the bundled models.
set(objects "")
foreach(layer IN LISTS SHOAL_LAYERS)
  if(NOT layer MATCHES "^(server|cli)$")
    list(APPEND objects $<TARGET_OBJECTS:sh_${layer}>)
  endif()
endforeach()
set(libshoal_libs PkgConfig::JANSSON PkgConfig::CRYPTO PkgConfig::PCRE2 PkgConfig::UTF8PROC PkgConfig::PROTOBUFC Threads::Threads m)
add_library(shoal_static STATIC ${objects})
add_library(shoal_shared SHARED ${objects})
set_target_properties(shoal_static shoal_shared PROPERTIES OUTPUT_NAME shoal LINKER_LANGUAGE C)
set_target_properties(shoal_shared PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0)
target_link_libraries(shoal_static PUBLIC ${libshoal_libs})
target_link_libraries(shoal_shared PRIVATE ${libshoal_libs} shoal_flags)

file(GLOB app CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/app/*.c)
if(app AND TARGET sh_cli)
  add_executable(shoal ${app})
  target_link_libraries(shoal PRIVATE sh_cli)
  set_target_properties(shoal PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  install(TARGETS shoal RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(TARGETS shoal_static shoal_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/shoal DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

# The static library's own needs go to Requires.private: pkg-config --static adds them.
configure_file(${CMAKE_SOURCE_DIR}/cmake/shoal.pc.in ${CMAKE_BINARY_DIR}/shoal.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/shoal.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

file(GLOB man_pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/man/*.1)
install(FILES ${man_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
file(GLOB models CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/models/*)
install(FILES ${models} DESTINATION ${CMAKE_INSTALL_DATADIR}/shoal/models)

# The completions are printed by the program from its own command table.
if(TARGET shoal AND NOT CMAKE_CROSSCOMPILING)
  foreach(shell bash zsh fish)
    add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/completion/shoal.${shell}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/completion
      COMMAND shoal completion ${shell} > ${CMAKE_BINARY_DIR}/completion/shoal.${shell}
      DEPENDS shoal VERBATIM)
    list(APPEND completions ${CMAKE_BINARY_DIR}/completion/shoal.${shell})
  endforeach()
  add_custom_target(completions ALL DEPENDS ${completions})
  install(FILES ${CMAKE_BINARY_DIR}/completion/shoal.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME shoal)
  install(FILES ${CMAKE_BINARY_DIR}/completion/shoal.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _shoal)
  install(FILES ${CMAKE_BINARY_DIR}/completion/shoal.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()
