# SPDX-License-Identifier: MIT
# Third-party spawns, each a shared object in bin/peers/. A missing library switches its peer off and prints one
# line; ci/setup --peers installs them all.
find_package(PkgConfig QUIET)
set(SPAWNCHECK_PEERS_BUILT "" CACHE INTERNAL "names of the peers that are built")

# add_library_peer(NAME SOURCE LIBRARY...): bin/peers/NAME.so
function(add_library_peer name source)
  add_library(peer-${name} MODULE ${source})
  target_include_directories(peer-${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(peer-${name} PRIVATE spawncheck_warnings ${ARGN})
  set_target_properties(peer-${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/peers)
  set(SPAWNCHECK_PEERS_BUILT ${SPAWNCHECK_PEERS_BUILT} ${name} CACHE INTERNAL "")
endfunction()

function(no_library_peer name what package)
  message(STATUS "impl/peers: no ${what} (${package}): the peer ${name} is left out")
endfunction()

function(add_pkgconfig_peer name source module package)
  if(PkgConfig_FOUND)
    pkg_check_modules(peer_${name} QUIET IMPORTED_TARGET ${module})
  endif()
  if(peer_${name}_FOUND)
    add_library_peer(${name} ${source} PkgConfig::peer_${name})
  else()
    no_library_peer(${name} ${module} ${package})
  endif()
endfunction()

# Hand-written spawns, and those of libc.
add_library_peer(sweep sweep.c)
add_library_peer(vfork_exec vfork_exec.c)
include(CheckSymbolExists)
set(CMAKE_REQUIRED_DEFINITIONS -D_GNU_SOURCE)
check_symbol_exists(posix_spawn_file_actions_addclosefrom_np spawn.h SPAWNCHECK_HAS_CLOSEFROM)
unset(CMAKE_REQUIRED_DEFINITIONS)
if(SPAWNCHECK_HAS_CLOSEFROM)
  add_library_peer(closefrom closefrom.c)
else()
  no_library_peer(closefrom posix_spawn_file_actions_addclosefrom_np "glibc 2.34")
endif()
add_library_peer(popen popen.c)

add_pkgconfig_peer(libuv libuv.c libuv libuv1-dev)
add_pkgconfig_peer(glib glib.c glib-2.0>=2.68 libglib2.0-dev)
add_pkgconfig_peer(apr apr.c apr-1 libapr1-dev)

find_package(Poco QUIET COMPONENTS Foundation)
if(Poco_FOUND)
  add_library_peer(poco poco.cpp Poco::Foundation)
else()
  no_library_peer(poco Poco libpoco-dev)
endif()

# Debian's libboost1.81-dev conflicts with the libboost-dev that the rest is built with, so ci/setup --peers
# unpacks its headers to a folder of their own. With std::filesystem no library of Boost has to be linked.
set(SPAWNCHECK_BOOST_PROCESS_INCLUDE "${CMAKE_SOURCE_DIR}/build/packages/usr/include" CACHE PATH
  "Headers of Boost 1.80 or newer, for Boost.Process")
find_package(Threads REQUIRED)
if(EXISTS ${SPAWNCHECK_BOOST_PROCESS_INCLUDE}/boost/process/v2.hpp)
  foreach(peer boost boost_v2)
    add_library_peer(${peer} ${peer}.cpp Threads::Threads)
    target_include_directories(peer-${peer} SYSTEM BEFORE PRIVATE ${SPAWNCHECK_BOOST_PROCESS_INCLUDE})
    target_compile_definitions(peer-${peer} PRIVATE BOOST_PROCESS_USE_STD_FS)
  endforeach()
  target_compile_definitions(peer-boost_v2 PRIVATE BOOST_PROCESS_V2_SEPARATE_COMPILATION)
else()
  no_library_peer("boost" "Boost.Process 1.80 or newer" libboost1.81-dev)
  no_library_peer("boost_v2" "Boost.Process 1.80 or newer" libboost1.81-dev)
endif()

add_pkgconfig_peer(python python.c python3-embed python3-dev)

# The linked library is rustc's own; its version is known only at compile time.
find_program(RUSTC rustc PATHS /usr/bin NO_DEFAULT_PATH) # Debian's
find_program(RUSTC rustc)
if(RUSTC)
  execute_process(COMMAND ${RUSTC} --version OUTPUT_VARIABLE rustc_version OUTPUT_STRIP_TRAILING_WHITESPACE)
  string(REGEX REPLACE "^rustc ([^ ]+).*" "\\1" rustc_version "${rustc_version}")
  set(rust_peer ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/peers/rust.so)
  add_custom_command(OUTPUT ${rust_peer} DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/rust.rs
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/peers
    COMMAND ${CMAKE_COMMAND} -E env SPAWNCHECK_RUSTC_VERSION=${rustc_version} ${RUSTC} --edition 2021 --crate-type cdylib -O
      -C panic=abort -o ${rust_peer} ${CMAKE_CURRENT_SOURCE_DIR}/rust.rs
    COMMENT "rustc: rust.so" VERBATIM)
  add_custom_target(peer-rust ALL DEPENDS ${rust_peer})
  set(SPAWNCHECK_PEERS_BUILT ${SPAWNCHECK_PEERS_BUILT} rust CACHE INTERNAL "")
else()
  no_library_peer(rust rustc rustc)
endif()

# Two objects, since the Go runtime cannot be forked (go.c).
find_program(GO go)
if(GO)
  execute_process(COMMAND ${GO} env GOVERSION OUTPUT_VARIABLE go_version OUTPUT_STRIP_TRAILING_WHITESPACE)
  string(REGEX REPLACE "^go" "" go_version "${go_version}")
  set(go_runtime ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/peers/support/go_runtime.so)
  add_custom_command(OUTPUT ${go_runtime} DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/go.go
    COMMAND ${CMAKE_COMMAND} -E env CGO_ENABLED=1 GOFLAGS= GO111MODULE=off GOCACHE=${CMAKE_BINARY_DIR}/go-cache
      CGO_CFLAGS=-I${CMAKE_SOURCE_DIR} ${GO} build -buildmode=c-shared -o ${go_runtime} ${CMAKE_CURRENT_SOURCE_DIR}/go.go
    COMMAND ${CMAKE_COMMAND} -E rm -f ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/peers/support/go_runtime.h
    COMMENT "go: go_runtime.so" VERBATIM)
  add_custom_target(peer-go-runtime ALL DEPENDS ${go_runtime})
  add_library_peer(go go.c ${CMAKE_DL_LIBS})
  target_compile_definitions(peer-go PRIVATE SPAWNCHECK_GO_VERSION="${go_version}")
  add_dependencies(peer-go peer-go-runtime)
else()
  no_library_peer(go go golang-go)
endif()

find_package(Qt5 QUIET COMPONENTS Core)
if(Qt5_FOUND)
  add_library_peer(qt qt.cpp Qt5::Core)
else()
  no_library_peer(qt "Qt 5" qtbase5-dev)
endif()
