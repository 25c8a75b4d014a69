# SPDX-License-Identifier: MIT
# cmake --install build/dev --component spawncheck: the command, what it needs beside itself, its manual page, its completion. What it needs is found
# in the directory of its program: all of that goes to libexec/spawncheck, and bin/spawncheck is a link.
include(GNUInstallDirs)
set(private ${CMAKE_INSTALL_LIBEXECDIR}/spawncheck)
set(bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
set(tool COMPONENT spawncheck)

install(TARGETS spawncheck RUNTIME DESTINATION ${private} ${tool})
install(PROGRAMS ${bin}/spawncheck-arena ${bin}/spawncheck-arena-dynamic ${bin}/spawncheck-litmus ${bin}/spawncheck-hold ${bin}/spawncheck-hold-strict
  ${bin}/spawncheck-exit DESTINATION ${private} ${tool})
install(PROGRAMS ${bin}/spawncheck-arena-musl DESTINATION ${private} ${tool} OPTIONAL)
# The libraries whose spawns are peers, and the ways of the claims: those that were built.
install(DIRECTORY ${bin}/peers ${bin}/ways DESTINATION ${private} ${tool})
install(CODE "
  file(MAKE_DIRECTORY \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
  file(CREATE_LINK ../${private}/spawncheck \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/spawncheck\" SYMBOLIC)" ${tool})

install(FILES spawncheck.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME spawncheck ${tool})
install(FILES schemas/output.schema.json schemas/sarif.schema.json schemas/junit.xsd DESTINATION ${CMAKE_INSTALL_DATADIR}/spawncheck ${tool})
# A header for users of --implementation FILE.so.
install(FILES ${CMAKE_SOURCE_DIR}/impl/peers/implementation.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/spawncheck ${tool})
add_custom_command(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/spawncheck.1 DEPENDS spawncheck
  COMMAND $<TARGET_FILE:spawncheck> help --manual > ${CMAKE_CURRENT_BINARY_DIR}/spawncheck.1 COMMENT "spawncheck.1" VERBATIM)
add_custom_target(spawncheck-manual ALL DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/spawncheck.1)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/spawncheck.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 ${tool})
